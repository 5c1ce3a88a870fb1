import Foundation
import Quantization
import Support

/// A study as tables of Markdown.
struct StudyTables {
  private let file: StudyFile

  init(_ file: StudyFile) { self.file = file }

  var markdown: String {
    (file.nets.map(accuracyTable) + [rateTable]).joined(separator: "\n\n")
  }

  private func accuracyTable(_ net: TrainedNet) -> String {
    let title =
      "\(net.architecture.rawValue): \(net.parameterCount.grouped) parameters, "
      + "test accuracy \(percent(net.accuracy)) in floating point"
    var table = Table([
      .number("bits"), "start", "method", .number("accuracy"), .number("error at the logits"),
      .number("other codes than RTN"), .number("by more than 1"), .number("blocks left at RTN"),
    ])
    let own = file.results.filter { $0.cell.architecture == net.architecture }
    for bits in Set(own.map(\.cell.bits)).sorted(by: >) {
      for range in RangeEstimation.allCases {
        for method in StudyMethod.allCases {
          let cells = own.filter {
            $0.cell.bits == bits && $0.cell.range == range && $0.cell.method == method
          }
          if !cells.isEmpty { table.add(row(bits, range, method, chosen(cells))) }
        }
      }
    }
    return title + "\n\n" + table.markdown
  }

  private func row(
    _ bits: Int,
    _ range: RangeEstimation,
    _ method: StudyMethod,
    _ cells: [StudyResult]
  ) -> [String] {
    func spread(_ values: [Double], digits: Int) -> String {
      MeanAndDeviation(values)?.text(digits) ?? ""
    }
    func mean(_ values: [Double], digits: Int, unit: String = "") -> String {
      MeanAndDeviation(values).map { $0.mean.fixed(digits) + unit } ?? ""
    }
    let moved = cells.compactMap(\.moved)
    return [
      "\(bits)", range == .flexRound ? "min-max" : "search", method.title,
      spread(cells.map { 100 * $0.accuracy }, digits: 2),
      spread(cells.map(\.outputError), digits: 4),
      mean(moved.map { 100 * $0.share }, digits: 1, unit: " %"),
      mean(moved.map { 100 * $0.shareBeyondOne }, digits: 2, unit: " %"),
      method.isLearned ? mean(cells.map { Double($0.keptStarts) }, digits: 1) : "",
    ]
  }

  /// Of the learning rates that were tried, the cells of the one with all seeds.
  private func chosen(_ cells: [StudyResult]) -> [StudyResult] {
    let byRate = Dictionary(grouping: cells, by: \.cell.learningRate).values
    let most = byRate.map(\.count).max() ?? 0
    return byRate.filter { $0.count == most }.min { $0[0].outputError < $1[0].outputError } ?? []
  }

  /// What each learning rate that was tried came to, on the first seed.
  private var rateTable: String {
    var table = Table([
      "net", .number("bits"), "method", .number("learning rate"), .number("error at the logits"),
      .number("accuracy"),
    ])
    let sources: [StudyMethod] = [.adaRound, .flexRound]
    for result in file.results where sources.contains(result.cell.method) {
      let cell = result.cell
      let isFirst = file.results.first {
        $0.cell.architecture == cell.architecture && $0.cell.bits == cell.bits
          && $0.cell.method == cell.method
      }
      guard isFirst?.cell.seed == cell.seed else { continue }
      table.add(
        cell.architecture.rawValue,
        "\(cell.bits)",
        cell.method.title,
        "\(cell.learningRate)",
        result.outputError.fixed(4),
        percent(result.accuracy)
      )
    }
    return table.markdown
  }

  private func percent(_ share: Double) -> String { (100 * share).fixed(2) + " %" }
}
