import ArgumentParser
import Foundation
import Tensor

/// Measures Apus beside the libraries that it is compared with.
@main
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "apus-bench",
    abstract: "Measures Apus, and torch beside it in the same run.",
    discussion: "Suites:\n"
      + Suite.all.map { "  \($0.name): \($0.summary)" }.joined(separator: "\n")
  )

  @Argument(help: "The suite to run, or 'all'.")
  var suite: String

  @Option(help: ArgumentHelp("Write one JSON object a line.", valueName: "file"))
  var json: String?

  @Option(help: ArgumentHelp("A Hugging Face folder or a GGUF file.", valueName: "path"))
  var model: String?

  @Option(help: "The threads of either side; the default is the machine's cores.")
  var threads: Int?

  @Option(
    help: ArgumentHelp(
      "A Python that has torch, numpy and safetensors, or 'none'.",
      valueName: "python"
    )
  )
  var peer: String?

  @Option(help: ArgumentHelp("Only tables whose title contains this.", valueName: "text"))
  var group: String?

  @Flag(help: "Fewer and shorter repeats: shows that everything runs, not how fast.")
  var quick = false

  func validate() throws {
    guard suite == "all" || Suite.all.contains(where: { $0.name == suite }) else {
      let names = Suite.all.map(\.name).joined(separator: ", ")
      throw ValidationError("no suite '\(suite)'; there are \(names) and all")
    }
    if let threads, threads < 1 { throw ValidationError("--threads must be at least 1") }
  }

  func run() throws {
    signal(SIGPIPE, SIG_IGN)
    if let threads { WorkPool.threadCount = threads }
    let suites = Suite.all.filter { suite == "all" || $0.name == suite }
    let run = try BenchRun(
      modelPath: model,
      groups: group,
      peer: Peer.find(python: peer, threads: WorkPool.threadCount),
      report: try Report(jsonPath: json),
      effort: quick ? .quick : .full
    )
    for suite in suites { try run.run(suite) }
  }
}
