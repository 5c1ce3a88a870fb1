import PointCloud
import Tensor
import TestSupport
import Testing

/// The code of the page of the module PointCloud.
@Suite struct PointCloudExamples {
  @Test func aFileIsSegmented() async {
    await #expect(processExitsWith: .success) {
      await inFreshFolder {
        var generator = Philox(seed: 1)
        try PointSegmenter(SegmenterConfiguration(.tiny), using: &generator)
          .write(to: "street.safetensors")
        try LidarSimulator(model: .vlp16).scan(StreetScene(seed: 1), seed: 1)
          .writePCD(to: "scan.pcd")
        let model = try PointSegmenter(path: "street.safetensors")
        let reading = try ScanReading(contentsOf: "scan.pcd")  // .bin, .pcd, .ply, .las, nuScenes
        let sensor = try BeamModel.named("vlp16")  // or estimated from the scan
        let result = try model.segment(reading.scan, of: sensor)
        let map = LabelMap.common(from: .semanticKITTI)
        let raw = map.rawLabels(of: result.classes)
        try LabelFile(reading.spread(raw, missing: 0)).write(to: "scan.label")
        try reading.scan.writePLY(to: "scan.ply", coloredBy: result.classes, of: map)
        #expect(try LabelFile(contentsOf: "scan.label").labels == raw)
        #expect(try LidarScan(contentsOf: "scan.ply").count == reading.scan.count)
      }
    }
  }

  @Test func aNetworkIsTrained() async {
    await #expect(processExitsWith: .success) {
      await inFreshFolder {
        let (sceneCount, steps) = (2, 2)
        // sceneCount: 120, steps: 3_000
        let scans = ScanSet(of: .hdl64e, count: sceneCount) { index in
          var scan = LidarSimulator(model: .hdl64e).scan(StreetScene(seed: UInt64(index)), seed: 1)
          scan.labels = scan.labels.map(LabelMap.common(from: .semanticKITTI).classes)
          return scan
        }
        var generator = Philox(seed: 1)
        let model = PointSegmenter(SegmenterConfiguration(.small), using: &generator)
        try SegmentationTraining(at: "run", of: model, on: scans, .init(steps: steps)).run()
        try model.write(to: "street.safetensors")
        let again = try PointSegmenter(path: "street.safetensors")
        #expect(again.densityRange == model.densityRange && model.densityRange != nil)
      }
    }
  }

  @Test func aScanBecomesAVector() throws {
    var generator = Philox(seed: 1)
    var configuration = SegmenterConfiguration(.tiny)
    configuration.density = .none
    let model = PointSegmenter(configuration, using: &generator)
    let scan = LidarSimulator(model: .vlp16).scan(StreetScene(seed: 3), seed: 1)
    let vector = try model.features(of: scan, density: BeamDensity(.vlp16))  // [2 · W], or nil
    #expect(vector?.shape == [model.scanFeatureCount])
  }
}
