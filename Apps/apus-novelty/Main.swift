import ArgumentParser
import Support

/// The command line of Apus's novelty detection.
@main
struct ApusNovelty: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "apus-novelty",
    abstract: "Learns what is normal, and finds what is not.",
    discussion: """
      Data are a folder with MNIST's files (IDX), or the name of one below images in APUS_DATA, a folder \
      of PNG and JPEG files, perhaps in folders named after their classes, or vectors: CSV, NPY, safetensors. 'embed' makes vectors of texts, \
      'apus-lidar features' of LiDAR scans.

      Results go to standard output, progress and errors to standard error. Exit codes: 0 done, \
      1 failed, 64 typed wrongly, 130 interrupted.

      EXAMPLES
        apus-novelty train photos/normal --output normal.safetensors --size 28
        apus-novelty score normal.safetensors photos/new --resize --fpr 0.01
        apus-novelty eval mnist --output study --methods oaae ae --classes 1 9 --profile small
        apus-novelty report oaae.safetensors --data mnist --novel 1 --output report.html
        apus-novelty embed mails.txt --encoder all-MiniLM-L6-v2 --output mails.safetensors
      """,
    version: "0.1.0",
    subcommands: [
      EmbedCommand.self, TrainCommand.self, ScoreCommand.self, EvalCommand.self, ReportCommand.self,
    ]
  )

  static func main() { runToItsEnd() }
}
