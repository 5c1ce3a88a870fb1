import Autograd
import Federated
import Foundation
import Support

/// The page of `report`.
struct FederationPage {
  private let runs: [SimulationReport]
  private var page = ReportPage(title: "Federated training")

  init(_ runs: [SimulationReport]) {
    self.runs = runs
    addSummary()
    addCurves()
    for run in runs {
      addCoverage(run)
      addParticipation(run)
      addSlices(run)
      addWarnings(run)
    }
  }

  func html() -> String { page.html() }

  /// The name of a run among others.
  private func name(_ run: SimulationReport) -> String {
    let isUnique = runs.count { $0.name == run.name } == 1
    return isUnique ? run.name : "\(run.name), seed \(run.seed)"
  }

  private mutating func addSummary() {
    page.add(
      table: [
        "run", "data", "parameters", "devices", "examples each", "label entropy", "accuracy",
        "worst tenth", "up", "down", "virtual time", "computing", "ε",
      ],
      rows: runs.map { run in
        [
          name(run), run.task, run.parameterCount.grouped, run.devices.count.grouped,
          run.devices.meanExamples.fixed(1), "\(run.devices.labels.labelEntropy.fixed(2)) nats",
          run.finalAccuracy.map { "\((100 * $0).fixed(2)) %" } ?? "—",
          run.rounds.last?.clients.map { "\((100 * $0.worstDecile).fixed(1)) %" } ?? "—",
          byteCount(run.uplinkBytes), byteCount(run.downlinkBytes),
          durationText(run.virtualSeconds), durationText(run.wallSeconds),
          run.rounds.last?.epsilon.map { $0.fixed(2) } ?? "—",
        ]
      }
    )
  }

  private mutating func addChart(
    _ title: String,
    horizontal: String = "round",
    scale: AxisScale = .linear,
    _ point: (SimulationReport, RoundReport) -> CurveSeries.Point?
  ) {
    let series = runs.map { run in
      CurveSeries(name(run), run.rounds.compactMap { point(run, $0) })
    }
    guard series.contains(where: { $0.points.count > 1 }) else { return }
    page.add(CurveChart(title: title, horizontal: horizontal, scale: scale, series: series))
  }

  private mutating func addCurves() {
    page.add(heading: "Accuracy")
    addChart("accuracy on the test set, per cent") { _, round in
      round.evaluation.map { .init(Double(round.round + 1), 100 * $0.accuracy) }
    }
    let traffic = "megabytes sent by devices"
    addChart("accuracy by traffic, per cent", horizontal: traffic) { run, round in
      round.evaluation.map { evaluation in
        let sent = run.rounds.prefix(round.round + 1).reduce(0) { $0 + $1.uplinkBytes }
        return .init(Double(sent) / 1e6, 100 * evaluation.accuracy)
      }
    }
    addChart("accuracy by time, per cent", horizontal: "virtual seconds") { _, round in
      round.evaluation.map { .init(round.end, 100 * $0.accuracy) }
    }
    addChart("training loss of the devices") { _, round in
      round.trainingLoss.map { .init(Double(round.round + 1), $0) }
    }
    addChart("mean accuracy of devices on their own data, per cent") { _, round in
      round.clients.map { .init(Double(round.round + 1), 100 * $0.mean) }
    }
    page.add(heading: "Traffic")
    addChart("megabytes sent by devices") { _, round in
      .init(Double(round.round + 1), Double(round.uplinkBytes) / 1e6)
    }
    addChart("megabytes received by devices") { _, round in
      .init(Double(round.round + 1), Double(round.downlinkBytes) / 1e6)
    }
    addChart("ε spent") { _, round in
      round.epsilon.map { .init(Double(round.round + 1), $0) }
    }
  }

  private mutating func addCoverage(_ run: SimulationReport) {
    page.add(heading: "Coverage of \(name(run))")
    let rounds = run.rounds
    page.add(
      CurveChart(
        title: "devices that cover an entry",
        horizontal: "round",
        series: [
          CurveSeries(
            "mean",
            rounds.map { .init(Double($0.round + 1), $0.coverage.mean) }
          ),
          CurveSeries(
            "least (Γ)",
            rounds.map { .init(Double($0.round + 1), Double($0.coverage.minimum)) }
          ),
        ]
      )
    )
    var counts: [Int] = []
    for histogram in rounds.map(\.coverage.histogram) {
      if counts.count < histogram.count {
        counts += [Int](repeating: 0, count: histogram.count - counts.count)
      }
      for (index, count) in histogram.enumerated() { counts[index] += count }
    }
    let total = Double(max(counts.reduce(0, +), 1))
    let steps = counts.enumerated().flatMap { index, count in
      [0.0, 1].map { CurveSeries.Point(Double(index) + $0 - 0.5, 100 * Double(count) / total) }
    }
    page.add(
      CurveChart(
        title: "per cent of entries and rounds",
        horizontal: "devices that cover the entry",
        series: [CurveSeries(name(run), steps)]
      )
    )
  }

  private mutating func addParticipation(_ run: SimulationReport) {
    page.add(heading: "Participation in \(name(run))")
    let classes = run.devices.classes.keys.sorted()
    page.add(
      table: ["class", "devices", "results that counted", "results per device and round"],
      rows: classes.map { name in
        let devices = run.devices.classes[name] ?? 0
        let results = run.rounds.reduce(0) { $0 + ($1.participation[name] ?? 0) }
        let share = Double(results) / Double(max(devices * run.rounds.count, 1))
        return [name, devices.grouped, results.grouped, share.fixed(3)]
      }
    )
    let sums = run.rounds.reduce(into: (0, 0, 0, 0, 0, 0)) { sums, round in
      sums.0 += round.selected
      sums.1 += round.reported
      sums.2 += round.stale
      sums.3 += round.dropped
      sums.4 += round.lost
      sums.5 += round.rejections.count
    }
    page.add(
      paragraph: "\(sums.0.grouped) tasks were given out; \(sums.1.grouped) results counted, "
        + "of them \(sums.2.grouped) late; \(sums.3.grouped) came too late, \(sums.4.grouped) never, and "
        + "\(sums.5.grouped) were refused."
    )
  }

  private mutating func addSlices(_ run: SimulationReport) {
    guard let slices = run.rounds.last?.slices, !slices.isEmpty else { return }
    page.add(heading: "The last model of \(name(run)) as devices use it")
    page.add(
      table: ["width, bits", "accuracy"],
      rows: slices.sorted { $0.value.accuracy > $1.value.accuracy }.map {
        [$0.key, "\((100 * $0.value.accuracy).fixed(2)) %"]
      }
    )
  }

  private mutating func addWarnings(_ run: SimulationReport) {
    var seen: Set<String> = []
    for round in run.rounds {
      for warning in round.warnings {
        // The numbers in them change from round to round.
        let kind = String(warning.filter { !$0.isNumber })
        guard seen.insert(kind).inserted else { continue }
        page.add(paragraph: "\(name(run)), round \(round.round + 1): \(warning).")
      }
    }
  }
}
