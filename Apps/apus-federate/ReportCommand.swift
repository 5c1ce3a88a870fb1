import ArgumentParser
import Checkpoints
import Federated
import Support

/// `report`: a page about runs.
struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Draw accuracy, traffic, coverage and participation of runs.",
    discussion: """
      One HTML file without scripts and links. Several runs are drawn over each other.

      EXAMPLES
        apus-federate report run.json --output page.html
        apus-federate report study/mnist-full-1.json study/mnist-slices-1.json --output page.html
      """
  )

  @Argument(help: "Reports that 'simulate' or 'serve' has written.")
  var reports: [String]
  @Option(name: .shortAndLong, help: ArgumentHelp("The file to write.", valueName: "file"))
  var output: String

  func validate() throws {
    guard !reports.isEmpty else { throw ValidationError("name at least one report") }
  }

  func run() throws {
    var runs: [SimulationReport] = []
    for path in reports { runs.append(try ReportFile.read(path)) }
    try AtomicFile.write(FederationPage(runs).html(), to: output)
    try StandardStream.output.writeLine(output)
  }
}
