import ArgumentParser
import GUIGrounding
import Support

/// `speed`: responses a second.
struct SpeedCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "speed",
    abstract: "Measure how many responses a second native policies give.",
    discussion: """
      Every policy answers the same synthetic pages, one page after the other in turns, so that what else \
      runs on the machine meets all alike. Reading is what a page takes before the second token of \
      responses: picture, instruction, first token. Responses are drawn at temperature 1, as a vote \
      draws them; with 1 response it is the likeliest. Times are processor time: with one thread they \
      are what a free machine takes.

      EXAMPLES
        apus-ground speed rl rl-w4.safetensors --threads 1
        apus-ground speed rl rl-w4.safetensors --samples 16 64 --pages 200 --threads 1 --json
      """
  )

  @Argument(help: "Native policies: their files or the folders of their runs.")
  var models: [String]
  @Option(parsing: .upToNextOption, help: "Responses to a page.")
  var samples = [1, 16, 64]
  @Option(help: "Synthetic pages.")
  var pages = 100
  @Option(help: "The seed of the pages.")
  var pageSeed: UInt64 = 1000
  @OptionGroup(title: "Machine") var machine: ThreadArguments
  @OptionGroup(title: "Output") var display: OutputArguments

  func validate() throws {
    guard !samples.isEmpty, samples.allSatisfy({ (1...4096).contains($0) }) else {
      throw ValidationError("--samples must be 1 to 4096")
    }
    guard (1...1 << 24).contains(pages) else { throw ValidationError("--pages must be above 0") }
  }

  func run() throws {
    machine.apply()
    let policies = try models.map { try NativeFile.read($0) }
    let reporter = display.progress("measuring", unit: "pages")
    defer { reporter.clear() }
    var measurement = SpeedMeasurement(policies: policies, samples: samples)
    for index in 0..<pages {
      try Cancellation.check("nothing was measured to the end")
      try measurement.measure(SyntheticPage(index: index, seed: pageSeed))
      reporter.update(completed: index + 1, total: pages)
    }
    reporter.clear()
    let report = SpeedReport(measurement, models: models)
    let stream = StandardStream.output
    try stream.writeLine(
      display.json ? jsonText(report) : report.table.text(width: stream.columnCount)
    )
  }
}
