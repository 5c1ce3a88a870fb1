import ArgumentParser
import ModelSupport
import Quantization

/// How a model in full precision becomes a base of codes, in memory.
struct BaseArguments: ParsableArguments {
  static let defaultPlanes = 3
  static let defaultRounds = 15

  @Option(
    help: ArgumentHelp(
      """
      Round the layers of the blocks to nearest: W4 has a scale for each row, W3G64 for 64 inputs in a \
      row, W3IC64 for 64 outputs in an input channel. The codes are those of 'apus-quantize run' with \
      the same scheme and range.
      """,
      valueName: "name"
    )
  )
  var scheme: String?

  @Option(help: "A group's range under --scheme. (default: minmax; mse up to 3 bits)")
  var range: RangeEstimation?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      AlphaTuning: code the layers of the blocks in so many binary planes; 'apus-quantize run' makes the \
      same codes by --method bcq --scale-type float32 with the same --planes, --rounds, and --group-size \
      or, for rows, --granularity channel. (default: \(Self.defaultPlanes))
      """,
      valueName: "1-8"
    )
  )
  var planes: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "AlphaTuning: weights that share a scale. (default: a row)",
      valueName: "weights"
    )
  )
  var groupSize: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "AlphaTuning: rounds of refinement; 0 is greedy, as in the paper. (default: "
        + "\(Self.defaultRounds))",
      valueName: "count"
    )
  )
  var rounds: Int?

  @Option(
    help: ArgumentHelp(
      "AlphaTuning: the planes whose scales are trained, 1 or more, or all. (default: 1)",
      valueName: "count"
    )
  )
  var trainedPlanes: String?

  func validate() throws {
    if range != nil && scheme == nil {
      throw ValidationError("--range belongs to --scheme; add it or leave it out")
    }
    if scheme != nil, let option = binaryOptions.first {
      throw ValidationError("--scheme and \(option) are two kinds of codes; leave one of them out")
    }
    do {
      _ = try weightScheme()
      _ = try coding()
    } catch QuantizationError.invalidScheme(let reason) {
      throw ValidationError("\(scheme == nil ? "--planes" : "--scheme"): \(reason)")
    }
    _ = try trainedPlaneCount(of: planes ?? 8)
  }

  /// The options of AlphaTuning that were typed.
  var binaryOptions: [String] {
    var names: [String] = []
    if planes != nil { names.append("--planes") }
    if groupSize != nil { names.append("--group-size") }
    if rounds != nil { names.append("--rounds") }
    if trainedPlanes != nil { names.append("--trained-planes") }
    return names
  }

  /// The scheme that was named; nil where none was.
  func weightScheme() throws -> WeightScheme? {
    guard let scheme else { return nil }
    let bits = try NamedScheme(scheme).weights.grid.bits
    let named = try NamedScheme(scheme, range: range ?? (bits <= 3 ? .meanSquaredError : .minMax))
    guard named.activations == nil, named.keyValueBits == nil else {
      throw ValidationError(
        "--scheme \(scheme) rounds more than weights; name the weights alone, as in W4 or W4A16"
      )
    }
    return named.weights
  }

  /// The options of 'apus-quantize run' that make the codes of the base, for a model in full precision.
  func origin(_ method: TuningMethod) throws -> String? {
    if method == .peqa, let scheme, let weights = try weightScheme() {
      return "--scheme \(scheme) --range \(weights.range.rawValue)"
    }
    guard method == .alphaTuning else { return nil }
    let groups = groupSize.map { "--group-size \($0)" } ?? "--granularity channel"
    return "--method bcq --planes \(planeCount) --rounds \(rounds ?? Self.defaultRounds) \(groups) "
      + "--scale-type float32"
  }

  /// How planes are found.
  func coding() throws(QuantizationError) -> BinaryCoding {
    try BinaryCoding(
      planes: planeCount,
      groupSize: groupSize,
      rounds: rounds ?? Self.defaultRounds
    )
  }

  /// How many planes there are in a model that is coded in memory.
  var planeCount: Int { planes ?? Self.defaultPlanes }

  /// The planes whose scales are trained, of all.
  func trainedPlaneCount(of planes: Int) throws(ValidationError) -> Int {
    guard let trainedPlanes, trainedPlanes != "all" else {
      return trainedPlanes == nil ? 1 : planes
    }
    guard let count = Int(trainedPlanes), 1...planes ~= count else {
      throw ValidationError(
        "--trained-planes \(trainedPlanes) is neither 'all' nor between 1 and \(planes)"
      )
    }
    return count
  }
}
