import Foundation

extension GroundingMetrics {
  /// The metrics as Markdown: accuracies with intervals, cost, stages and tables by attribute.
  public var markdown: String {
    var lines = ["| | items | right | accuracy | 95 % |", "|---|---|---|---|---|"]
    lines.append(Self.row("all", overall.all))
    for type in overall.byType.keys.sorted() {
      lines.append(Self.row(type, overall.byType[type] ?? AccuracyCount()))
    }
    if let cellMean {
      lines.append("| mean of platform × type | | | \(Self.percent(cellMean)) | |")
    }
    lines += ["", costLine]
    lines += table("Platform", byPlatform) + table("Group", byGroup)
    lines += table("Application", byApplication) + table("Kind", byKind)
    if byRank.count > 1 { lines += table("Rank", byRank) }
    lines += stageTable + areaTable
    return lines.joined(separator: "\n") + "\n"
  }

  private var costLine: String {
    let calls = Self.decimal(callsPerItem, 2)
    let requests = Self.decimal(requestsPerItem, 2)
    let tokens = Self.decimal(tokensPerItem, 1)
    let seconds = Self.decimal(secondsPerItem, 3)
    return "Per item: \(calls) responses in \(requests) requests, \(tokens) tokens, \(seconds) s. "
      + "Without a place: \(wrongFormatCount). Failed: \(failureCount). "
      + "Not scorable: \(unscorableCount). Stopped early: \(stoppedEarlyCount)."
  }

  private func table(_ title: String, _ cells: [String: TypedAccuracy]) -> [String] {
    guard !cells.isEmpty else { return [] }
    let types = Set(cells.values.flatMap(\.byType.keys)).sorted()
    let head = ["\(title)", "items", "accuracy", "95 %"] + types
    var lines = ["", "| " + head.joined(separator: " | ") + " |"]
    lines.append("|" + String(repeating: "---|", count: head.count))
    for name in cells.keys.sorted() {
      guard let cell = cells[name] else { continue }
      let byType = types.map { type in
        cell.byType[type].map { Self.percent($0.accuracy) + " (\($0.count))" } ?? "–"
      }
      let accuracy = Self.percent(cell.all.accuracy)
      let row = [name, "\(cell.all.count)", accuracy, Self.interval(cell.all)] + byType
      lines.append("| " + row.joined(separator: " | ") + " |")
    }
    return lines
  }

  private var stageTable: [String] {
    guard stages.count > 1 else { return [] }
    var lines = ["", "| Stage | reached | shows the target | accuracy after it |"]
    lines.append("|---|---|---|---|")
    for (index, stage) in stages.enumerated() {
      lines.append(
        "| \(index + 1) | \(stage.reached) | \(Self.percent(stage.heldShare)) | "
          + "\(Self.percent(stage.accuracy.accuracy)) |"
      )
    }
    return lines
  }

  private var areaTable: [String] {
    guard !areaDeciles.isEmpty else { return [] }
    var lines = ["", "| Target area, % of the image | items | accuracy |", "|---|---|---|"]
    for decile in areaDeciles {
      let (smallest, largest) = (decile.smallest * 100, decile.largest * 100)
      lines.append(
        "| \(Self.decimal(smallest, 4)) – \(Self.decimal(largest, 4)) | \(decile.accuracy.count) | "
          + "\(Self.percent(decile.accuracy.accuracy)) |"
      )
    }
    return lines
  }

  private static func row(_ name: String, _ count: AccuracyCount) -> String {
    "| \(name) | \(count.count) | \(count.correct) | \(percent(count.accuracy)) | "
      + "\(interval(count)) |"
  }

  private static func interval(_ count: AccuracyCount) -> String {
    percent(count.interval.lower) + " – " + percent(count.interval.upper)
  }

  private static func percent(_ share: Double) -> String { decimal(share * 100, 1) + " %" }

  private static func decimal(_ value: Double, _ digits: Int) -> String {
    String(format: "%.\(digits)f", value)
  }
}
