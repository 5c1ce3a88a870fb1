import ArgumentParser
import Support

/// The command line of Apus's LiDAR segmentation.
@main
struct ApusLidar: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "apus-lidar",
    abstract: "Segments LiDAR scans of any sensor: simulates, trains, evaluates, shows.",
    discussion: """
      A FILE is a scan: KITTI (.bin), nuScenes (.pcd.bin), PCD, PLY or LAS. A SENSOR is a name \
      (hdl64e, hdl32e, vlp16, vlp32c, waymoTop, os1_128, os0_128, os1_64) or a JSON file of a beam \
      model, and after @ its height above the road in metres, if it is another: vlp16@2.4. A MODEL is \
      a file that 'train' or 'quantize' has written, or the folder of a run; without one the model that comes with \
      the program is taken (street.safetensors; APUS_MODELS may name its folder).

      Results go to standard output, progress and errors to standard error. Exit codes: 0 done, \
      1 failed, 64 typed wrongly, 130 interrupted.

      EXAMPLES
        apus-lidar segment scan.pcd --sensor vlp16
        apus-lidar view scan.pcd --sensor vlp16 --output scan.html
        apus-lidar inspect scan.bin --sensor os1_128
        apus-lidar train --simulated 120 --sensor hdl64e --output run
        apus-lidar eval run --sensors hdl64e,waymoTop,os1_128,hdl32e,vlp16
        apus-lidar features scans/ --sensor vlp16 --output scans.safetensors
        apus-lidar quantize --simulated 16 --bits 4 --output street-4.safetensors
      """,
    version: "0.1.0",
    subcommands: [
      SimulateCommand.self, TrainCommand.self, EvaluateCommand.self, SegmentCommand.self,
      InspectCommand.self, ViewCommand.self, FeaturesCommand.self, QuantizeCommand.self,
    ]
  )

  static func main() { runToItsEnd() }
}
