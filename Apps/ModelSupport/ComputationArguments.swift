package import ArgumentParser
package import Transformer

/// How a model that is used computes.
package struct ComputationArguments: ParsableArguments {
  /// How a cache stores keys and values.
  package enum KeyValueBits: Int, ExpressibleByArgument, CaseIterable, Sendable {
    case eight = 8
    case float = 32

    package var precision: KeyValueCache.Precision { self == .eight ? .eightBits : .float }
  }

  @Flag(
    help: """
      Compute in floats. Without it products come straight from low-bit codes, their inputs rounded \
      to 8 bits.
      """
  )
  package var exact = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Bits of cached keys and values: 8 or 32. (default: as the model says, else 32)",
      valueName: "bits"
    )
  )
  package var kvBits: KeyValueBits?

  package init() {}

  /// How linear maps are computed.
  package var computation: Computation { exact ? .exact : .packed }
}
