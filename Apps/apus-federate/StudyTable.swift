import Federated
import Foundation
import Support

/// The rows of a study, each over its seeds.
struct StudyTable {
  struct Row: Encodable {
    var name: String
    var seeds: Int
    /// Mean accuracies in per cent after 5, 10 and 20 rounds.
    var accuracies: [Double?]
    /// The standard deviation over seeds of the last accuracy, in points; nil of one seed.
    var deviation: Double?
    var uplinkMegabytes: Double
    var worstDecile: Double?
    /// The smallest coverage index of a round.
    var coverage: Int
    var slices: [String: Double]
  }

  let rows: [Row]

  init(
    _ study: StudyFolder,
    _ configurations: [SimulationConfiguration],
    task: TaskIdentity,
    seeds: [UInt64]
  ) throws {
    rows = try configurations.compactMap { configuration in
      let reports = try seeds.compactMap { try study.report(configuration, task: task, $0) }
      return reports.isEmpty ? nil : Self.row(configuration, reports)
    }
  }

  private static func row(
    _ configuration: SimulationConfiguration,
    _ reports: [SimulationReport]
  ) -> Row {
    let finals = MeanAndDeviation(reports.compactMap(\.finalAccuracy).map { 100 * $0 })
    let parts = [1, 2, 4].map { $0 * configuration.roundCount / 4 }
    let names = Set(reports.flatMap { $0.rounds.last?.slices.keys.map { $0 } ?? [] })
    return Row(
      name: configuration.name,
      seeds: reports.count,
      accuracies: parts.map { count in
        mean(reports.compactMap { $0.accuracy(afterRounds: count) }.map { 100 * $0 })
      },
      deviation: finals?.deviation,
      uplinkMegabytes: (mean(reports.map { Double($0.uplinkBytes) }) ?? 0) / 1e6,
      worstDecile: mean(
        reports.compactMap { $0.rounds.last?.clients?.worstDecile }.map { 100 * $0 }
      ),
      coverage: reports.flatMap { $0.rounds.map(\.coverage.minimum) }.min() ?? 0,
      slices: Dictionary(
        uniqueKeysWithValues: names.map { name in
          let found = reports.compactMap { $0.rounds.last?.slices[name]?.accuracy }
          return (name, 100 * (mean(found) ?? .nan))
        }
      )
    )
  }

  private static func mean(_ values: [Double]) -> Double? {
    MeanAndDeviation(values)?.mean
  }

  var markdown: String {
    let table = Table(
      [
        "configuration", .number("1/4 of the rounds"), .number("1/2"), .number("all"),
        .number("±"), .number("uplink MB"), .number("worst tenth"), .number("Γ"),
        "as devices use it",
      ],
      rows: rows.map(Self.cells)
    )
    return table.markdown
  }

  private static func cells(_ row: Row) -> [String] {
    func fixed(_ value: Double?) -> String { value?.fixed(1) ?? "" }
    let slices = row.slices.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value.fixed(1))" }
    return [row.name] + row.accuracies.map(fixed)
      + [
        fixed(row.deviation), fixed(row.uplinkMegabytes), fixed(row.worstDecile),
        "\(row.coverage)", slices.joined(separator: ", "),
      ]
  }
}
