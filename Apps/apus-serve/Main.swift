import ArgumentParser
import Foundation
import ModelSupport
import ServingSupport
import Support

/// The command line that puts models on the network.
@main
struct ApusServe: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "apus-serve",
    abstract: "Serves models over HTTP, for clients of the OpenAI API.",
    discussion: """
      A MODEL is a Hugging Face folder, a folder that apus-quantize or another tool has quantized, or \
      a .gguf file. What has low-bit codes is computed from them as they are. Requests name a model by \
      the last part of its path, and one that an adapter has tuned as MODEL:ADAPTER.

      POST /v1/chat/completions and /v1/completions, with "stream": true for events; GET /v1/models, \
      /health and /metrics (Prometheus); a chat page at /. Texts of all requests are written \
      together, one pass of the model for all of them. A text is broken off when its reader hangs \
      up. Requests that cannot be answered get the API's error objects.

      A key in the variable APUS_SERVE_KEY is asked of every request but those for the page and \
      /health. With --allow-loading, POST /v1/models {"path": …, "adapter": …, "id": …} loads a model \
      from this machine's disk, and DELETE /v1/models/ID takes it out.

      Ctrl-C and SIGTERM end it. Exit codes: 0 ended, 1 failed, 64 typed wrongly.

      EXAMPLES
        apus-serve SmolLM2-135M
        apus-serve model.gguf small --adapter law --port 8000 --parallel 32 --context 2048
        curl localhost:8080/v1/chat/completions -H 'Content-Type: application/json' \\
          -d '{"model": "SmolLM2-135M", "messages": [{"role": "user", "content": "Hello!"}]}'
      """,
    version: "0.1.0"
  )

  @Argument(help: "Model folders or .gguf files.")
  var models: [String]

  @Option(
    name: .customLong("adapter"),
    help: ArgumentHelp(
      "A task that the models were tuned to: a file of scales, a folder of low-rank adapters, or the "
        + "folder of a run. May be repeated; the models are served without it as well.",
      valueName: "path"
    )
  )
  var adapters: [String] = []

  @Option(help: "The address to listen at; 0.0.0.0 for all of this machine's.")
  var host = "127.0.0.1"

  @Option(parsing: .unconditional, help: "The port; 0 takes a free one, which is printed.")
  var port = 8080

  @Option(help: ArgumentHelp("Texts that a model writes at once.", valueName: "count"))
  var parallel = 8

  @Option(help: ArgumentHelp("Texts that may wait for a place.", valueName: "count"))
  var queue = 64

  @Option(
    help: ArgumentHelp(
      "The most tokens of a text, its prompt included. (default: the model's context, up to 4,096)",
      valueName: "tokens"
    )
  )
  var context: Int?

  @Option(
    help: ArgumentHelp(
      "The memory that models may need. (default: 90 % of what is available)",
      valueName: "gigabytes"
    )
  )
  var memory: Double?

  @Flag(
    help: """
      Keep one copy of a model's codes for all adapters of scales, and write their texts in the same \
      passes: less memory, and slower products, in floats.
      """
  )
  var shareBase = false

  @Flag(help: "Let requests load models from this machine's disk, and unload them.")
  var allowLoading = false

  @OptionGroup(title: "Computation") var computation: ComputationArguments
  @OptionGroup(title: "Machine") var machine: ThreadArguments

  @Flag(name: .shortAndLong, help: "Write no line for each request.")
  var quiet = false

  static func main() { runToItsEnd() }

  func validate() throws {
    guard (0...65_535).contains(port) else { throw ValidationError("--port is 0 to 65535") }
    guard (1...1024).contains(parallel) else { throw ValidationError("--parallel is 1 to 1024") }
    guard (0...65_536).contains(queue) else { throw ValidationError("--queue is 0 to 65536") }
    if let context, context < 2 {
      throw ValidationError("--context \(context) is too small; choose at least 2")
    }
    if let memory, !(memory > 0 && memory < 1e6) {
      throw ValidationError("--memory \(memory) is out of range; give gigabytes")
    }
  }

  private var settings: ServingSettings {
    ServingSettings(
      parallel: parallel,
      queue: queue,
      context: context,
      memory: memory.map { Int($0 * 1e9) } ?? ServingSettings.availableMemory,
      computation: computation.computation,
      precision: computation.kvBits?.precision,
      sharesBase: shareBase,
      allowsLoading: allowLoading,
      isLocal: ["127.0.0.1", "::1", "localhost"].contains(host),
      key: ProcessInfo.processInfo.environment["APUS_SERVE_KEY"].flatMap { $0.isEmpty ? nil : $0 }
    )
  }

  func run() throws {
    machine.apply()
    let isQuiet = quiet
    let server = try ModelServer(
      models: models,
      adapters: adapters,
      settings: settings,
      host: host,
      port: port,
      tell: { line in try? StandardStream.error.writeLine(line) },
      log: { line in
        if !isQuiet { try? StandardStream.error.writeLine(line.printableLines) }
      }
    )
    if !settings.isLocal, settings.key == nil {
      try StandardStream.error.writeLine(
        "anybody who reaches this address may ask; set APUS_SERVE_KEY to a key"
      )
    }
    let work = BackgroundWork { try await server.run() }
    while !Cancellation.isRequested {
      guard work.hasEnded(within: 0.05) else { continue }
      if let error = work.error { throw error }
      return
    }
    // It is how a server ends, and no failure. Readers are told before their connections are closed.
    server.breakOff()
    Task { await server.stop() }
    if !work.hasEnded(within: 2) { work.cancel() }
    _ = work.hasEnded(within: 3)
    if let error = work.error, !(error is CancellationError) { throw error }
  }
}
