import Support
import Testing

@Suite struct ProgressTests {
  /// A reporter with a clock that the test turns.
  final class Recorder {
    var time = 0.0
    var text = ""

    func reporter(_ style: ProgressReporter.Style) -> ProgressReporter {
      ProgressReporter(
        "quantizing",
        unit: "layers",
        style: style,
        now: { self.time },
        write: { self.text += $0 }
      )
    }
  }

  let half = ProgressBar(
    label: "quantizing",
    unit: "layers",
    completed: 105,
    total: 210,
    elapsed: 13,
    note: "model.layers.15.mlp.up_proj"
  )

  @Test func aBarHasItsFacts() {
    let bar = half.bar(width: 100)
    #expect(bar.hasPrefix("quantizing  █"))
    #expect(bar.contains("░  50%  105/210 layers  8.08/s  0:13 left  "))
    #expect(bar.hasSuffix("model.layers.15.mlp.up_proj"))
    let (done, open) = (bar.filter { $0 == "█" }.count, bar.filter { $0 == "░" }.count)
    #expect(done == (done + open) / 2)
  }

  @Test(arguments: 1...140) func aBarFitsItsTerminal(width: Int) {
    #expect(half.bar(width: width).columnCount <= width)
  }

  @Test func aNarrowTerminalKeepsTheEndOfTheNote() {
    var bar = half
    bar.note = "perplexity 183.317"
    for width in 60...120 {
      let line = bar.bar(width: width)
      #expect(line.hasSuffix("183.317") || !line.contains("…"))
    }
  }

  @Test func unevenUnitsAreWeighed() {
    var bar = half
    bar.share = 0.9
    bar.elapsed = 9
    #expect(bar.fraction == 0.9)
    #expect(bar.plainLine.contains("(90%)") && bar.plainLine.contains("0:01 left"))
  }

  @Test func beforeTheFirstUnitThereIsNoRate() {
    let bar = ProgressBar(label: "a", unit: "layers", total: 3)
    #expect(bar.rate == nil && bar.remaining == nil && bar.fraction == 0)
    #expect(bar.plainLine == "a: 0 of 3 layers (0%)")
    #expect(ProgressBar(label: "a", unit: "layers", total: 0).fraction == 0)
  }

  @Test func aPipeGetsFewLines() {
    let recorder = Recorder()
    let reporter = recorder.reporter(.lines)
    for step in 1...1200 {
      recorder.time = Double(step) / 100
      reporter.update(completed: step, total: 1200)
    }
    reporter.finish()
    let lines = recorder.text.split(separator: "\n")
    #expect(lines.count == 4, "after 1, 6 and 11 seconds, and the end")
    #expect(lines.first == "quantizing: 100 of 1200 layers (8%), 100 layers/s, 0:11 left")
    #expect(lines.last == "quantizing: 1,200 layers in 12.0 s")
    #expect(!recorder.text.contains("\r") && !recorder.text.contains("\u{1B}"))
  }

  @Test func aBarIsDrawnTenTimesASecondAndTakenAway() {
    let recorder = Recorder()
    let reporter = recorder.reporter(.bar(width: 79))
    for step in 0..<1000 {
      recorder.time = Double(step) / 1000
      reporter.update(completed: step, total: 1000)
    }
    let drawings = recorder.text.split(separator: "\r").count
    #expect((9...11).contains(drawings))
    reporter.clear()
    #expect(recorder.text.hasSuffix("\r\u{1B}[K"))
  }

  @Test func quietShowsNothing() {
    let recorder = Recorder()
    let reporter = recorder.reporter(.none)
    recorder.time = 100
    reporter.update(completed: 1, total: 2)
    reporter.finish()
    #expect(recorder.text.isEmpty)
    #expect(ProgressReporter.style(isQuiet: true) == .none)
  }
}
