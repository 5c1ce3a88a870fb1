public import ArgumentParser
public import Quantization

extension QuantizationConfiguration.Method: ExpressibleByArgument {}
extension RangeEstimation: ExpressibleByArgument {}
extension ScaleType: ExpressibleByArgument {}

/// What weights are rounded to.
struct QuantizationArguments: ParsableArguments {
  enum Sharing: String, ExpressibleByArgument, CaseIterable {
    case tensor
    case channel
    case group
  }

  enum Symmetry: String, EnumerableFlag {
    case symmetric
    case asymmetric

    static func help(for value: Symmetry) -> ArgumentHelp? {
      switch value {
      case .symmetric: "The same range on both sides of zero: no zero points are stored."
      case .asymmetric: "A zero point for each scale."
      }
    }
  }

  static let defaultGroupSize = 64

  @Option(
    name: .shortAndLong,
    parsing: .unconditional,
    help: ArgumentHelp("Bits per weight, 1 to 8.", valueName: "1-8")
  )
  var bits = 4

  @Option(help: "How weights are rounded: rtn takes the nearest point of the grid.")
  var method = QuantizationConfiguration.Method.roundToNearest

  @Option(help: "Which weights share a scale: a matrix, an output channel, a group of inputs.")
  var granularity = Sharing.group

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Weights in a group. (default: \(Self.defaultGroupSize))",
      valueName: "weights"
    )
  )
  var groupSize: Int?

  @Flag
  var symmetry = Symmetry.asymmetric

  @Option(help: "A group's range: minmax covers it, mse searches the smallest squared error.")
  var range = RangeEstimation.minMax

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Bits of the embedding and the head; they stay in floating point without it.",
      valueName: "1-8"
    )
  )
  var embeddingBits: Int?

  @Option(help: "How scales are stored.")
  var scaleType = ScaleType.float16

  func validate() throws {
    if groupSize != nil && granularity != .group {
      throw ValidationError(
        "--group-size has no meaning with --granularity \(granularity.rawValue); leave one of "
          + "them out"
      )
    }
    try explain("--bits") { () throws(QuantizationError) in _ = try grid(bits: bits) }
    try explain("--embedding-bits") { () throws(QuantizationError) in
      _ = try embeddingBits.map(grid(bits:))
    }
    try explain("--group-size") { () throws(QuantizationError) in _ = try scheme(bits: bits) }
  }

  /// Puts the name of the option in front of the library's reason.
  private func explain(_ option: String, _ check: () throws(QuantizationError) -> Void) throws {
    do throws(QuantizationError) { try check() } catch {
      guard case .invalidScheme(let reason) = error else { throw error }
      throw ValidationError("\(option): \(reason)")
    }
  }

  /// The settings that were typed; they have passed `validate()`.
  func configuration() throws -> QuantizationConfiguration {
    QuantizationConfiguration(
      method: method,
      scheme: try scheme(bits: bits),
      embeddingScheme: try embeddingBits.map(scheme(bits:))
    )
  }

  private func grid(bits: Int) throws(QuantizationError) -> QuantizationGrid {
    try QuantizationGrid(bits: bits, isSymmetric: symmetry == .symmetric)
  }

  private func scheme(bits: Int) throws(QuantizationError) -> WeightScheme {
    let granularity: Granularity =
      switch self.granularity {
      case .tensor: .tensor
      case .channel: .outputChannel
      case .group: .inputGroups(groupSize ?? Self.defaultGroupSize)
      }
    return try WeightScheme(
      grid: grid(bits: bits),
      granularity: granularity,
      range: range,
      scaleType: scaleType
    )
  }
}
