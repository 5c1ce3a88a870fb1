public import ArgumentParser
import ModelSupport
public import Quantization

extension QuantizationConfiguration.Method: ExpressibleByArgument {}

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
  /// As many planes as there are bits by default.
  static let defaultPlanes = 4
  /// Those of LUT-GEMM's quantizer.
  static let defaultRounds = 15

  @Option(
    help: ArgumentHelp(
      """
      Bits by the name that papers give them, in place of --bits and --granularity: W4A16, W3G64 (groups \
      of 64 inputs in a row), W3IC64 (of 64 outputs in an input channel), W8A8, W4A8KV8.
      """,
      valueName: "name"
    )
  )
  var scheme: String?

  @Option(
    name: .shortAndLong,
    parsing: .unconditional,
    help: ArgumentHelp("Bits per weight, 1 to 8. (default: 4)", valueName: "1-8")
  )
  var bits: Int?

  @Option(
    help: """
      How weights are rounded: rtn takes the nearest point of the grid; bcq takes sums of scaled \
      signs; the others learn from --calibration.
      """
  )
  var method = QuantizationConfiguration.Method.roundToNearest

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Signs per weight, in place of --bits with --method bcq. (default: \(Self.defaultPlanes))",
      valueName: "1-8"
    )
  )
  var planes: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      How often bcq refines signs and scales in turn; 0 leaves the greedy start. \
      (default: \(Self.defaultRounds))
      """,
      valueName: "count"
    )
  )
  var rounds: Int?

  @Option(
    help: """
      Which weights share a scale: a matrix, an output channel, a group of inputs. (default: group)
      """
  )
  var granularity: Sharing?

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

  @Option(
    help: """
      A group's range: minmax covers it, mse searches the smallest squared error. (default: minmax; \
      flexround-search for adaround, flexround and lrq up to 3 bits)
      """
  )
  var range: RangeEstimation?

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
    if let granularity, groupSize != nil && granularity != .group {
      throw ValidationError(
        "--group-size has no meaning with --granularity \(granularity.rawValue); leave one of "
          + "them out"
      )
    }
    if scheme != nil && (bits != nil || granularity != nil || groupSize != nil) {
      throw ValidationError(
        "--scheme says bits and groups itself; leave --bits, --granularity and --group-size out"
      )
    }
    try checkBinaryCoding()
    try explain("--bits") { () throws(QuantizationError) in _ = try grid(bits: bits ?? 4) }
    try explain("--embedding-bits") { () throws(QuantizationError) in
      _ = try embeddingBits.map(grid(bits:))
    }
    try explain("--group-size") { () throws(QuantizationError) in
      _ = try scheme(bits: bits ?? 4, method)
    }
    try explain("--scheme") { () throws(QuantizationError) in _ = try named(method) }
    try explain("--method") { () throws(QuantizationError) in
      try method.check(weights(method))
    }
  }

  /// Refuses options of the other kind of codes, and planes or rounds that are out of range.
  private func checkBinaryCoding() throws {
    guard method == .binaryCoding else {
      for (name, value) in [("--planes", planes), ("--rounds", rounds)] where value != nil {
        throw ValidationError("\(name) belongs to --method bcq; add it or leave \(name) out")
      }
      return
    }
    let typed = [
      ("--bits", bits != nil), ("--scheme", scheme != nil), ("--range", range != nil),
      ("--symmetric", symmetry == .symmetric),
      ("--granularity tensor", granularity == .tensor),
    ]
    for (name, isTyped) in typed where isTyped {
      throw ValidationError(
        "\(name) has no meaning with --method bcq, which has --planes in groups or rows; leave it out"
      )
    }
    try explain("--planes") { () throws(QuantizationError) in
      _ = try BinaryCoding(planes: planes ?? Self.defaultPlanes)
    }
    try explain("--rounds") { () throws(QuantizationError) in
      _ = try BinaryCoding(planes: 1, rounds: rounds ?? Self.defaultRounds)
    }
  }

  /// Puts the name of the option in front of the library's reason.
  private func explain(_ option: String, _ check: () throws(QuantizationError) -> Void) throws {
    do throws(QuantizationError) { try check() } catch {
      guard case .invalidScheme(let reason) = error else { throw error }
      throw ValidationError("\(option): \(reason)")
    }
  }

  /// The settings that were typed, for a method; they have passed `validate()`.
  func configuration(
    _ method: QuantizationConfiguration.Method
  ) throws -> QuantizationConfiguration {
    let embeddingScheme = try embeddingBits.map { try scheme(bits: $0, .roundToNearest) }
    if method == .binaryCoding {
      return QuantizationConfiguration(
        binaryCoding: try BinaryCoding(
          planes: planes ?? Self.defaultPlanes,
          groupSize: granularity == .channel ? nil : groupSize ?? Self.defaultGroupSize,
          rounds: rounds ?? Self.defaultRounds
        ),
        scaleType: scaleType,
        embeddingScheme: embeddingScheme
      )
    }
    let named = try named(method)
    return QuantizationConfiguration(
      method: method,
      scheme: try weights(method),
      embeddingScheme: embeddingScheme,
      activations: named?.activations,
      keyValueBits: named?.keyValueBits
    )
  }

  /// What the layers of the blocks are rounded to.
  private func weights(
    _ method: QuantizationConfiguration.Method
  ) throws(QuantizationError) -> WeightScheme {
    if let named = try named(method) { return named.weights }
    return try scheme(bits: bits ?? 4, method)
  }

  /// The named scheme; nil where none was typed.
  func named(_ method: QuantizationConfiguration.Method) throws(QuantizationError) -> NamedScheme? {
    guard let scheme else { return nil }
    let bits = try NamedScheme(scheme).weights.grid.bits
    return try NamedScheme(
      scheme,
      isSymmetric: symmetry == .symmetric,
      range: range(bits, method),
      scaleType: scaleType
    )
  }

  private func range(
    _ bits: Int,
    _ method: QuantizationConfiguration.Method
  ) -> RangeEstimation {
    if let range { return range }
    let isLearned = [.adaRound, .flexRound, .lrq].contains(method)
    return isLearned && bits <= 3 ? .flexRoundSearch : .minMax
  }

  private func grid(bits: Int) throws(QuantizationError) -> QuantizationGrid {
    try QuantizationGrid(bits: bits, isSymmetric: symmetry == .symmetric)
  }

  private func scheme(
    bits: Int,
    _ method: QuantizationConfiguration.Method
  ) throws(QuantizationError) -> WeightScheme {
    let granularity: Granularity =
      switch self.granularity ?? .group {
      case .tensor: .tensor
      case .channel: .outputChannel
      case .group: .inputGroups(groupSize ?? Self.defaultGroupSize)
      }
    return try WeightScheme(
      grid: grid(bits: bits),
      granularity: granularity,
      range: range(bits, method),
      scaleType: scaleType
    )
  }
}
