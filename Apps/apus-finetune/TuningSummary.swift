import Autograd
import Foundation
import ModelSupport
import Quantization
import Support
import Transformer

/// What a `train` did: for people a table and a page, for machines everything.
struct TuningSummary: Encodable {
  var model: String
  var method: String
  var task: String
  /// How the base holds its weights.
  var base: String
  /// Ranks, planes or bits, in words.
  var settings: String
  var learningRate: Float
  /// The file or folder of the result; nil for a run that diverged.
  var result: String?
  /// Its bytes.
  var resultBytes: Int
  var examples: TuningExamplesReport
  var lossBefore: ReportNumber?
  var lossAfter: ReportNumber?
  var perplexityBefore: ReportNumber?
  var perplexityAfter: ReportNumber?
  /// The most bytes of the process in physical memory, loading and writing included; nil where it is
  /// unknown.
  var peakProcessBytes: Int?
  /// What methods take for this model.
  var memory: MemoryTable
  /// How the scales of each layer have moved; empty for other methods.
  var changes: [ScaleChange]
  var report: FineTuningReport

  init(
    _ base: TuningBase,
    _ report: FineTuningReport,
    method: TuningMethod,
    task: String,
    settings: String,
    learningRate: Float,
    examples: TuningExamplesReport,
    result: String?,
    memory: MemoryTable,
    log: [RunRecord]
  ) {
    model = base.file.path
    self.method = method.rawValue
    self.task = task
    self.base = base.text
    self.settings = settings
    self.learningRate = learningRate
    self.result = result
    resultBytes = result.map(storedByteCount) ?? 0
    self.examples = examples
    lossBefore = report.validationLossBefore.map { ReportNumber($0) }
    lossAfter = report.validationLoss.map { ReportNumber($0) }
    perplexityBefore = report.validationLossBefore.map { ReportNumber(exp($0)) }
    perplexityAfter = report.validationLoss.map { ReportNumber(exp($0)) }
    // An earlier process of the run has left its steps alone.
    peakProcessBytes = (log.compactMap(\.memory.residentBytes) + [peakResidentBytes() ?? 0]).max()
    self.memory = memory
    changes = base.layers?.changes ?? []
    self.report = report
  }
}

/// The bytes of a file, or of the files in a folder.
func storedByteCount(_ path: String) -> Int {
  let files = FileManager.default
  func size(_ path: String) -> Int {
    ((try? files.attributesOfItem(atPath: path))?[.size] as? NSNumber)?.intValue ?? 0
  }
  guard let names = try? files.contentsOfDirectory(atPath: path) else { return size(path) }
  return names.reduce(0) { $0 + size(path + "/" + $1) }
}

// MARK: - For people

extension TuningSummary {
  /// The results.
  var table: Table {
    var table = Table(["result", .number("before"), .number("after")])
    if let lossBefore, let perplexityBefore {
      table.add(
        "validation loss (nats a token)",
        lossBefore.value.fixed(4),
        lossAfter?.value.fixed(4) ?? ""
      )
      table.add(
        "validation perplexity",
        perplexityBefore.value.fixed(3),
        perplexityAfter?.value.fixed(3) ?? ""
      )
    }
    if let first = report.losses.first, let last = report.losses.last {
      table.add("training loss, first and last step", first.fixed(4), last.fixed(4))
    }
    for (name, value) in facts { table.add(name, "", value) }
    return table
  }

  private var facts: [(String, String)] {
    var facts = [
      ("method", method), ("base", base), ("task", task),
      ("steps", "\(report.step.grouped) of \(report.totalSteps.grouped)"),
      ("examples", examples.examples.grouped), ("learning rate", Double(learningRate).short),
      ("trained numbers", report.trainableCount.grouped),
    ]
    if examples.cut > 0 { facts.append(("examples cut to the length", examples.cut.grouped)) }
    if examples.dropped > 0 {
      facts.append(("dropped, nothing to learn from", examples.dropped.grouped))
    }
    if let largest = changes.map(\.largest).max() {
      facts.append(("largest change of a scale", "\((100 * largest).fixed(2))%"))
      facts.append(("scales with another sign", changes.reduce(0) { $0 + $1.signChanges }.grouped))
    }
    if let result { facts.append(("task file", "\(result), \(byteCount(resultBytes))")) }
    facts.append(("peak of tensors", byteCount(report.peakTensorBytes)))
    if let peakProcessBytes { facts.append(("peak of the process", byteCount(peakProcessBytes))) }
    facts.append(("tokens per second", report.tokensPerSecond.fixed(1)))
    facts.append(("seconds", report.seconds.fixed(1)))
    return facts
  }

  /// The page.
  func page() -> ReportPage {
    var page = ReportPage(title: "\(task): \(model) by \(method)")
    page.add(table: table.columns.map(\.title), rows: table.rows)
    page.add(heading: "Loss")
    page.add(lossChart)
    page.add(heading: "Memory")
    page.add(
      paragraph:
        "Computed from the shapes: numbers that do not train in \(memory.floatText), scales and what "
        + "trains, gradients and moments in single precision, without the values that a step keeps "
        + "for the backward pass. The last row is what this run was measured to take: tensors in "
        + "memory while it trained, those values included, weights that stay in their file not; and "
        + "the process at its peak, loading and writing included."
    )
    page.add(table: memory.table.columns.map(\.title), rows: memory.table.rows + [measuredRow])
    if !changes.isEmpty {
      page.add(heading: "Layers whose scales moved furthest")
      page.add(table: changeTable.columns.map(\.title), rows: changeTable.rows)
    }
    return page
  }

  private static let shownPoints = 1000
  private static let shownLayers = 20

  private var lossChart: CurveChart {
    let step = max(1, report.losses.count / Self.shownPoints)
    let training = stride(from: 0, to: report.losses.count, by: step).map {
      CurveSeries.Point(Double($0 + 1), report.losses[$0])
    }
    let start = report.validationLossBefore.map { [CurveSeries.Point(0, $0)] } ?? []
    let measured = report.validationLosses.map { CurveSeries.Point(Double($0.step), $0.loss) }
    var series = [CurveSeries("training", training)]
    if !(start + measured).isEmpty { series.append(CurveSeries("validation", start + measured)) }
    return CurveChart(title: "loss (nats a token)", horizontal: "step", series: series)
  }

  private var measuredRow: [String] {
    [
      "this run, tensors" + (peakProcessBytes == nil ? "" : " / process"),
      report.trainableCount.grouped, "", "", "", "",
      byteCount(report.peakTensorBytes) + (peakProcessBytes.map { " / " + byteCount($0) } ?? ""),
      byteCount(resultBytes),
    ]
  }

  private var changeTable: Table {
    let order = changes.sorted { ($1.largest, $0.layer) < ($0.largest, $1.layer) }
    return ScaleChange.table(Array(order.prefix(Self.shownLayers)))
  }
}

extension ScaleChange {
  /// Layers with how far their scales have moved.
  static func table(_ changes: [ScaleChange]) -> Table {
    var table = Table([
      "layer", .number("scales"), .number("change, rms"), .number("largest"),
      .number("other signs"),
    ])
    for change in changes {
      table.add(
        change.layer,
        change.count.grouped,
        "\((100 * change.rootMeanSquare).fixed(3))%",
        "\((100 * change.largest).fixed(3))%",
        change.signChanges.grouped
      )
    }
    return table
  }
}
