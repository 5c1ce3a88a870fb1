import ArgumentParser
import Tensor

/// How much of the machine is used.
struct MachineArguments: ParsableArguments {
  @Option(help: "Threads; all cores by default. Results do not depend on it.")
  var threads: Int?

  func validate() throws {
    guard threads ?? 1 > 0 else { throw ValidationError("--threads must be above 0") }
  }

  /// Sets the threads.
  func apply() { if let threads { WorkPool.threadCount = threads } }
}
