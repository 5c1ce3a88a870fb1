import Checkpoints
import Foundation
import PointCloud
import Tensor
import TestSupport
import Testing

@Suite struct BeamModelTests {
  @Test(arguments: BeamModel.shipped) func shippedSensorsAreValid(model: BeamModel) throws {
    try model.validate()
    #expect(try BeamModel.named(model.name) == model)
  }

  @Test func shippedTables() {
    func ends(_ model: BeamModel) -> [Double] {
      [Double(model.beamCount), model.elevations[0], model.elevations[model.beamCount - 1]]
    }
    expectClose(ends(.hdl64e), [64, 2, -8.83 - 15.5], absolute: 1e-9)
    expectClose([BeamModel.hdl64e.elevations[31]], [2 - 31 / 3.0], absolute: 1e-9)
    expectClose(ends(.hdl32e), [32, 10.67, -30.6716], absolute: 1e-9)
    expectClose(ends(.vlp16), [16, 15, -15], absolute: 1e-9)
    expectClose(ends(.vlp32c), [32, 15, -25], absolute: 1e-9)
    expectClose(ends(.waymoTop), [64, 2.4, -17.6], absolute: 1e-9)
    expectClose(ends(.os1x128), [128, 22.5, -22.5], absolute: 1e-9)
    expectClose(ends(.os0x128), [128, 45, -45], absolute: 1e-9)
    expectClose(ends(.os1x64), [64, 16.6, -16.6], absolute: 1e-9)
  }

  @Test func unknownNamesListTheKnown() throws {
    let error = #expect(throws: BeamModelError.self) { _ = try BeamModel.named("hdl64") }
    let text = try #require(error).description
    #expect(text.contains("\"hdl64\"") && text.contains("hdl64e, hdl32e, vlp16"))
  }

  @Test func filesAreReadAsWritten() throws {
    try withTemporaryFolder { folder in
      for model in BeamModel.shipped {
        try model.write(to: folder + "/sensor.json")
        #expect(try BeamModel(contentsOf: folder + "/sensor.json") == model)
      }
    }
  }

  @Test(arguments: [
    ("[1]", "one object of name, elevations, columnCount"),
    ("{\"name\": \"a\"}", "entry elevations: missing"),
    (valid.replacing("[3, 1]", with: "[3, \"x\"]"), "entry elevations: must be a list of degrees"),
    (valid.replacing("[3, 1]", with: "[]"), "0 beams, must be 1 to 10000"),
    (valid.replacing("[3, 1]", with: "[1, 3]"), "beam 1 (3.0) lies above beam 0 (1.0)"),
    (valid.replacing("[3, 1]", with: "[95, 1]"), "beam 0 points to 95.0"),
    (valid.replacing("1800", with: "0"), "columnCount: 0, must be 1 to 100000"),
    (valid.replacing("1800", with: "1e9"), "entry columnCount"),
    (valid.replacing("1800", with: "1000000000"), "columnCount: 1000000000"),
    (valid.replacing("1800", with: "18.5"), "columnCount: must be a whole number"),
    (valid.replacing("100}", with: "-1}"), "maximumRange: -1.0"),
    (valid.replacing("1.9", with: "-2"), "mountHeight: -2.0"),
    (valid.replacing("\"mount", with: "\"Mount"), "entry MountHeight: not known, a sensor has"),
    ("{", "sensor.json"),
  ])
  func faultyFilesAreRefused(text: String, reason: String) throws {
    try withTemporaryFolder { folder in
      let path = folder + "/sensor.json"
      try AtomicFile.write(text, to: path)
      let error = #expect(throws: BeamModelError.self) { _ = try BeamModel(contentsOf: path) }
      let found = try #require(error).description
      #expect(found.contains(reason), "\(found)")
    }
  }

  private static let valid =
    "{\"name\": \"a\", \"elevations\": [3, 1], \"columnCount\": 1800, \"mountHeight\": 1.9, "
    + "\"maximumRange\": 100}"

  @Test func missingFilesAreNamed() throws {
    let error = #expect(throws: BeamModelError.self) {
      _ = try BeamModel(contentsOf: "/nowhere/sensor.json")
    }
    #expect(try #require(error).description.contains("/nowhere/sensor.json"))
  }

  @Test func numbersThatAreNoneAreRefused() {
    var model = BeamModel.vlp16
    model.elevations[3] = .nan
    #expect(throws: BeamModelError.self) { try model.validate() }
    model = .vlp16
    model.maximumRange = .infinity
    #expect(throws: BeamModelError.self) { try model.validate() }
  }

  @Test func keepingTakesTheBeams() {
    let model = BeamModel.vlp16.keeping([0, 4, 15])
    #expect(model.elevations == [15, 7, -15])
    #expect(model.columnCount == 1800 && BeamModel.vlp16.withColumns(900).columnCount == 900)
  }

  @Test func pointsWithoutRingsBelongToTheNearestBeam() {
    let model = BeamModel.vlp16
    let points =
      SensorScans.point(9, 15, 3) + SensorScans.point(70, 80, 0) + SensorScans.point(9, 0.9, 100)
      + SensorScans.point(9, -1.1, 9) + SensorScans.point(9, -90, 1) + [.nan, 0, 0] + [0, 0, 0]
    let scan = LidarScan(positions: Tensor(points, shape: [7, 3]))
    let beams = model.beams(of: scan).elements
    #expect(Array(beams.prefix(5)) == [0, 0, 7, 8, 15])
    #expect(beams.allSatisfy { (0..<16).contains($0) })
  }

  @Test func ringsGoBeforeElevations() {
    let scan = LidarScan(
      positions: Tensor(SensorScans.point(9, 15, 3) + SensorScans.point(9, 15, 3), shape: [2, 3]),
      rings: Tensor([4, 99])
    )
    // The sensor has no beam 99: the second point goes to the nearest.
    #expect(BeamModel.vlp16.beams(of: scan).elements == [4, 0])
    #expect(BeamModel.vlp16.keeping([3]).beams(of: scan).elements == [0, 0])
  }
}
