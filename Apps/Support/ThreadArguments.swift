package import ArgumentParser
import Tensor

/// How much of the machine is used.
package struct ThreadArguments: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Threads; results do not depend on their number. (default: all cores)",
      valueName: "count"
    )
  )
  package var threads: Int?

  package init() {}

  package func validate() throws {
    guard let threads, threads < 1 else { return }
    throw ValidationError("--threads \(threads) is too small; choose at least 1")
  }

  /// Sets the threads.
  package func apply() { if let threads { WorkPool.threadCount = threads } }
}
