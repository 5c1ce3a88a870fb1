import Checkpoints
import GUIGrounding
import TestSupport
import Testing

extension GUIGroundingConformance {
  @Test(arguments: Fixtures.names(in: "gui", suffix: ".json").filter { $0.hasPrefix("metrics-") })
  func metricsOfPublishedLogsAgree(_ name: String) throws {
    let log = try JSONValue.read(Fixtures.file("gui/" + name))
    let columns = try log.list("columns").map { try #require($0.stringValue) }
    let outcomes = try log.list("rows").enumerated().map { index, row in
      let outcome = try outcome(row, columns, index)
      let isCorrect = row[try #require(columns.firstIndex(of: "correctness"))]?.stringValue
      #expect(outcome.isHit == (isCorrect == "correct"), "\(name), row \(index)")
      return outcome
    }
    let metrics = GroundingMetrics(outcomes)
    let expected = try #require(log["expected"])
    try check(metrics.overall.all, expected["overall"], name)
    for type in ["text", "icon"] { try check(metrics.overall.byType[type], expected[type], name) }
    try check(metrics.byGroup, expected["by_group"], name)
    try check(metrics.byPlatform, expected["by_platform"], name)
    #expect(try metrics.wrongFormatCount == expected.int("wrong_format"))
    #expect(metrics.areaDeciles.map(\.accuracy.count).reduce(0, +) == outcomes.count)
    #expect(metrics.areaDeciles.map(\.accuracy.correct).reduce(0, +) == metrics.overall.all.correct)
  }

  private func outcome(
    _ row: JSONValue,
    _ columns: [String],
    _ index: Int
  ) throws -> GroundingOutcome {
    func value(_ name: String) throws -> JSONValue {
      let column = try #require(columns.firstIndex(of: name))
      return try #require(row[column])
    }
    let size = try value("image_size_wh").numbers()
    var item = GroundingItem(
      id: "\(index)",
      imagePath: "",
      imageSize: PixelSize(width: Int(size[0]), height: Int(size[1])),
      instruction: "-",
      target: GroundingTarget(box: try value("bbox_xyxy_px").box())
    )
    item.dataType = try value("ui_type").stringValue
    item.group = try value("group").stringValue
    item.platform = try value("platform").stringValue
    item.application = try value("application").stringValue
    let prediction = try value("pred_xy_px")
    return GroundingOutcome(item, point: prediction.isNull ? nil : try prediction.point())
  }

  private func check(
    _ found: [String: TypedAccuracy],
    _ expected: JSONValue?,
    _ name: String
  ) throws {
    let table = try #require(expected?.objectValue)
    #expect(Set(found.keys) == Set(table.keys), "\(name)")
    for (key, cell) in table {
      try check(found[key]?.all, cell["all"], "\(name) \(key)")
      for (type, cell) in try #require(cell.objectValue) where type != "all" {
        try check(found[key]?.byType[type], cell, "\(name) \(key) \(type)")
      }
    }
  }

  private func check(_ found: AccuracyCount?, _ expected: JSONValue?, _ name: String) throws {
    let (found, expected) = (found ?? AccuracyCount(), try #require(expected))
    #expect(try found.count == expected.int("n"), "\(name)")
    #expect(try found.correct == expected.int("correct"), "\(name)")
    guard found.count > 0 else { return }
    expectClose([found.accuracy], [try expected.double("accuracy")], absolute: 1e-12, name)
  }
}
