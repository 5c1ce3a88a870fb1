import ArgumentParser
import ModelSupport
import Transformer

/// Which models are used, and how they compute.
struct ModelArguments: ParsableArguments {
  /// How a cache stores keys and values.
  enum KeyValueBits: Int, ExpressibleByArgument, CaseIterable {
    case eight = 8
    case float = 32

    var precision: KeyValueCache.Precision { self == .eight ? .eightBits : .float }
  }

  @Option(
    name: .customLong("also"),
    help: ArgumentHelp(
      "Another model, which gets the same prompts; may be repeated.",
      valueName: "model"
    )
  )
  var others: [String] = []

  @Option(
    name: .customLong("adapter"),
    help: ArgumentHelp(
      "A task that a model was tuned to: a file of scales, a folder of low-rank adapters, or the "
        + "folder of a run. May be repeated: each of them writes.",
      valueName: "path"
    )
  )
  var adapters: [String] = []

  @Flag(
    help: """
      Compute in floats. Without it products come straight from low-bit codes, their inputs rounded \
      to 8 bits.
      """
  )
  var exact = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Bits of cached keys and values: 8 or 32. (default: as the model says, else 32)",
      valueName: "bits"
    )
  )
  var kvBits: KeyValueBits?

  /// How linear maps are computed.
  var computation: Computation { exact ? .exact : .packed }
}
