import Autograd
import PointCloud
import Tensor
import TestSupport
import Testing

/// The code of the module's page.
@Suite struct DocumentationExampleTests {
  @Test func filesAreSegmentedInTenLines() throws {
    try withTemporaryFolder { folder in
      var generator = Philox(seed: 1)
      let start = PointSegmenter(SegmenterConfiguration(.tiny), using: &generator)
      try start.write(to: folder + "/street.safetensors")
      let street = StreetScene(seed: 1)
      try LidarSimulator(model: .vlp16).scan(street, seed: 1).writePCD(to: folder + "/scan.pcd")

      let model = try PointSegmenter(path: folder + "/street.safetensors")
      let reading = try ScanReading(contentsOf: folder + "/scan.pcd")
      let sensor = try BeamModel.named("vlp16")
      let result = try model.segment(reading.scan, of: sensor)
      let map = LabelMap.common(from: .semanticKITTI)
      let raw = map.rawLabels(of: result.classes)
      try LabelFile(reading.spread(raw, missing: 0)).write(to: folder + "/scan.label")
      try reading.scan.writePLY(to: folder + "/scan.ply", coloredBy: result.classes, of: map)

      let written = try LabelFile(contentsOf: folder + "/scan.label")
      #expect(written.labels == raw)
      let colored = try LidarScan(contentsOf: folder + "/scan.ply")
      #expect(colored.count == reading.scan.count)
    }
  }
}
