import Foundation
import TestSupport
import Testing

@testable import Autograd

private func series(_ name: String, _ values: [Double]) -> CurveSeries {
  CurveSeries(name, values.enumerated().map { CurveSeries.Point(Double($0 + 1), $1) })
}

private let evil = "<b onclick='x'>\"&amp;\u{1}\u{7}]]></b>"

@Suite struct CurveChartTests {
  @Test(arguments: [
    (0.0, 10.0, ["0", "2", "4", "6", "8", "10"]),
    (0, 1, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"].map { $0 == "0.0" ? "0" : $0 }),
    (-1, 1, ["−1.0", "−0.5", "0", "0.5", "1.0"]),
    (2.31, 2.34, ["2.310", "2.315", "2.320", "2.325", "2.330", "2.335", "2.340"]),
    (0, 20_000, ["0", "5000", "10000", "15000", "20000"]),
    (0, 3e-7, ["0", "5e−8", "1.0e−7", "1.5e−7", "2.0e−7", "2.5e−7", "3.0e−7"]),
    (0, 5e9, ["0", "1e9", "2e9", "3e9", "4e9", "5e9"]),
    (1, 9, ["1", "2", "3", "4", "5", "6", "7", "8", "9"]),
  ])
  func linearTicksAreRound(lower: Double, upper: Double, labels: [String]) {
    let axis = ChartAxis([lower, upper], scale: .linear, margin: 0)
    #expect(axis.ticks.map(\.label) == labels)
    #expect(axis.ticks.allSatisfy { axis.fraction(of: $0.value) != nil })
  }

  @Test(arguments: [
    (0.001, 100.0, ["0.001", "0.01", "0.1", "1", "10", "100"]),
    (1, 20, ["1", "2", "5", "10", "20"]),
    (1.5, 2.5, ["1.6", "1.8", "2.0", "2.2", "2.4"]),
    (1e-8, 1e-5, ["1e−8", "1e−7", "1e−6", "1e−5"]),
  ])
  func logarithmicTicksAreRound(lower: Double, upper: Double, labels: [String]) {
    let axis = ChartAxis([lower, upper, 0, -1, .nan], scale: .logarithmic, margin: 0)
    #expect(axis.ticks.map(\.label) == labels)
    #expect(axis.fraction(of: 0) == nil && axis.fraction(of: -1) == nil)
    #expect(axis.fraction(of: lower) == 0 && axis.fraction(of: upper) == 1)
  }

  /// Whatever is shown: every tick has a place, there is no trap, and the document is well-formed.
  @Test(
    arguments: [
      [], [0], [5], [-1e-300, 1e-300], [1e308, -1e308], [.leastNonzeroMagnitude],
      [.nan, .infinity],
      [1e15, 1e15 + 0.25], [3, 3, 3], [.greatestFiniteMagnitude, .greatestFiniteMagnitude],
      [.leastNonzeroMagnitude, 1e300], [-5, 0, 5],
    ] as [[Double]]
  )
  func anyValuesCanBeDrawn(values: [Double]) {
    for scale in [AxisScale.linear, .logarithmic] {
      for smoothing in [0, 0.9] {
        let chart = CurveChart(
          title: "t",
          scale: scale,
          smoothing: smoothing,
          series: [series("a", values)]
        )
        let svg = chart.svg()
        let check = MarkupCheck(svg)
        #expect(check.fault == nil, "\(scale) \(values): \(check.fault ?? "")")
        for word in ["nan\"", "inf", "NaN\""] { #expect(!svg.contains(word)) }
        #expect(check.elements.filter { $0 == "text" }.count < 60)
      }
    }
  }

  @Test func pointsThatAreNotFiniteBreakTheLine() {
    let values: [Double] = [1, 2, .nan, 3, .infinity, 4, 5, 6]
    let check = MarkupCheck(CurveChart(title: "t", series: [series("a", values)]).svg())
    let lines = check.attributes.filter { $0["class"] == "line" }
    #expect(lines.count == 3)  // two parts, and the legend's
    #expect(lines[0]["d"]?.filter { $0 == "L" }.count == 1)
    #expect(lines[1]["d"]?.filter { $0 == "L" }.count == 2)
    #expect(check.attributes.filter { $0["class"] == "line dot" }.count == 1)
    #expect(check.attributes.filter { $0["class"] == "spot" }.count == 6)
  }

  @Test func aLogarithmicAxisHasNoPlaceForZero() {
    let chart = CurveChart(
      title: "t",
      scale: .logarithmic,
      series: [series("a", [1, 0.1, 0, 0.1, 1])]
    )
    let lines = MarkupCheck(chart.svg()).attributes.filter { $0["class"] == "line" }
    #expect(lines.count == 3)
  }

  /// The corners of the plot are at 64 and 704, 34 and 294; the range is widened by 5 %.
  @Test func pointsLieWhereTheyShould() {
    let chart = CurveChart(title: "t", series: [series("a", [0, 10, 20])])
    let line = MarkupCheck(chart.svg()).attributes.first { $0["class"] == "line" }
    #expect(line?["d"] == "M64 282.18L384 164L704 45.82")
  }

  @Test func theValueShowsUnderThePointer() {
    let svg = CurveChart(title: "loss", series: [series("run", [0.5, 2.25])]).svg()
    #expect(svg.contains("<title>run, step 2: 2.25</title>"))
    let smooth = CurveChart(title: "loss", smoothing: 0.5, series: [series("run", [1, 4])]).svg()
    #expect(smooth.contains("<title>run, step 2: 4, smoothed 3</title>"))
  }

  /// β = ½: m = ½, then ½·½ + ½·4 = 2.25; divided by 1 − ½, 1 − ¼: 1 and 3.
  @Test func smoothingIsTheRunningMeanWithoutBias() {
    let smooth = series("a", [1, .nan, 4]).smoothed(by: 0.5)
    #expect(smooth.points[0].y == 1 && smooth.points[1].y.isNaN && smooth.points[2].y == 3)
    #expect(series("a", [7, 7, 7]).smoothed(by: 0.99).points.allSatisfy { abs($0.y - 7) < 1e-12 })
    #expect(series("a", [1, 5]).smoothed(by: 0) == series("a", [1, 5]))
  }

  @Test func longCurvesAreThinnedButKeepTheirPeaks() {
    var values = (0..<200_000).map { sin(Double($0) / 1000) }
    values[123_456] = 50
    let svg = CurveChart(title: "t", series: [series("a", values)]).svg()
    #expect(svg.utf8.count < 150_000)
    let check = MarkupCheck(svg)
    let line = check.attributes.first { $0["class"] == "line" }?["d"] ?? ""
    let levels = line.split(separator: "L").compactMap {
      $0.split(separator: " ").last.map(String.init)
    }
    // The range −1…50 with 5 % at either end: its top is 260 · 0.05/1.1 below the plot's.
    #expect(levels.contains("45.82"))
    #expect(check.attributes.filter { $0["class"] == "spot" }.count <= 150)
  }

  @Test func manyCurvesHaveColoursAndALegendInRows() {
    let chart = CurveChart(
      title: "t",
      series: (0..<20).map { series("a run with a longer name \($0)", [Double($0), 1]) }
    )
    let check = MarkupCheck(chart.svg())
    #expect(check.fault == nil)
    #expect(
      Set(check.attributes.compactMap { $0["class"] }).isSuperset(of: [
        "c0", "c7", "c0 d1", "c3 d2",
      ])
    )
    #expect(check.text.contains("a run with a longer name 19"))
  }

  @Test func namesAreEscaped() {
    let chart = CurveChart(title: evil, horizontal: evil, series: [series(evil, [1, 2])])
    let check = MarkupCheck(chart.svg())
    #expect(check.fault == nil)
    #expect(!check.elements.contains("b"))
    #expect(check.text.contains("<b onclick='x'>\"&amp;\u{FFFD}\u{FFFD}]]></b>"))
  }
}

@Suite struct CurveReportTests {
  private func run(_ name: String, _ losses: [Double]) -> CurveReport.Run {
    let records = losses.enumerated().map { index, loss in
      RunRecord(
        step: 10 * (index + 1),
        seconds: Double(index) + 0.25,
        metrics: index % 2 == 0 ? ["loss": loss] : ["loss": loss, "accuracy": 0.5],
        memory: MemoryUse(tensorBytes: 1, peakTensorBytes: 12_340_000, residentBytes: 99_000_000)
      )
    }
    return CurveReport.Run(name: name, records: records)
  }

  @Test func thePageIsWellFormedAndAlone() {
    var report = CurveReport(title: evil, runs: [run(evil, [3, 2, .nan, 1]), run("b", [1, 2])])
    report.logarithmic = ["loss"]
    report.smoothing = 0.6
    let html = report.html()
    let check = MarkupCheck(html)
    #expect(check.fault == nil, "\(check.fault ?? "")")
    #expect(check.elements.filter { $0 == "svg" }.count == 2)
    #expect(!check.elements.contains("script") && !check.elements.contains("link"))
    let links = check.attributes.flatMap(\.keys).filter { ["href", "src", "onclick"].contains($0) }
    #expect(links.isEmpty)
    #expect(html.contains("prefers-color-scheme:dark"))
    #expect(html == report.html())
  }

  @Test func theTableHoldsFinalValues() {
    let html = CurveReport(title: "t", runs: [run("a", [3, 1, 2]), run("b", [.nan])]).html()
    func row(_ cells: [String], _ textColumns: Int) -> String {
      "<tr>"
        + cells.enumerated().map {
          "<td\($0 < textColumns ? "" : " class=\"number\"")>\($1)</td>"
        }.joined() + "</tr>"
    }
    #expect(html.contains(row(["loss", "a", "2", "1 at 20", "3 at 10", "3"], 2)))
    #expect(html.contains(row(["loss", "b", "NaN", "—", "—", "1"], 2)))
    #expect(html.contains(row(["accuracy", "a", "0.5", "0.5 at 20", "0.5 at 20", "1"], 2)))
    #expect(html.contains(row(["a", "30", "2.2 s", "12.3 MB", "99.0 MB"], 1)))
  }

  @Test func anEmptyReportIsAPageToo() {
    #expect(MarkupCheck(CurveReport(title: "", runs: []).html()).fault == nil)
    let empty = CurveReport.Run(name: "x", records: [])
    #expect(MarkupCheck(CurveReport(title: "", runs: [empty]).html()).fault == nil)
  }

  @Test func metricsCanBeChosenAndDrawnOverTime() throws {
    try withTemporaryFolder { folder in
      let log = try RunLog(path: folder + "/log.jsonl")
      for record in run("a", [3, 2]).records { try log.append(record) }
      let read = try CurveReport.Run(name: "a", log: folder + "/log.jsonl")
      var report = CurveReport(title: "t", runs: [read])
      report.metrics = ["loss"]
      report.horizontal = .seconds
      #expect(report.chart(of: "loss").series[0].points == [.init(0.25, 3), .init(1.25, 2)])
      try report.write(to: folder + "/report.html")
      let page = try String(contentsOfFile: folder + "/report.html", encoding: .utf8)
      #expect(page == report.html() && !page.contains("accuracy"))
      #expect(throws: RunLogError.self) { try report.write(to: folder + "/none/x.html") }
    }
  }
}
