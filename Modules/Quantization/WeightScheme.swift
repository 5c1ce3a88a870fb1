/// How the range of a group of weights is chosen.
///
/// `L` is the largest code, 2^bits − 1.
public enum RangeEstimation: String, Codable, Hashable, Sendable, CaseIterable {
  /// From the smallest to the largest weight, zero included (GPTQ's quantizer).
  case minMax = "minmax"
  /// The fraction p = 1 − i/100, i = 0 … 79, of the min-max range that leaves the smallest squared
  /// error; the first of equals. (GPTQ's shrink search with the norm 2 that PEQA minimises.)
  case meanSquaredError = "mse"
  /// As the official AdaDim and AWQ quantizers do: the range need not hold zero, and is at least
  /// 10⁻⁵ wide; the zero point is clamped to the codes. Saturates where a group has one sign.
  case adaDim = "adadim"
  /// As FlexRound's and LRQ's official code does: min-max with zero, step sizes of at least 10⁻⁸.
  case flexRound = "flexround"
  /// The candidate range with the smallest Σ |w − ŵ|^2.4 that FlexRound's and LRQ's official code
  /// tries: fractions i/100 of the width, i = 1 … 100, at every zero point; one-sided weights and
  /// symmetric grids keep zero at its place.
  case flexRoundSearch = "flexround-search"
}

/// How step sizes are stored.
public enum ScaleType: String, Codable, Hashable, Sendable, CaseIterable {
  /// Half precision: codes are chosen for the rounded step size, so nothing is lost twice.
  case float16
  /// Single precision.
  case float32

  var byteCount: Int {
    switch self {
    case .float16: 2
    case .float32: 4
    }
  }

  /// The step size as it will be stored.
  ///
  /// Below the normal numbers of half precision the grid is coarse: there the next larger number is
  /// taken, so that the range stays covered. Above them the result is infinite.
  func stored(_ stepSize: Float) -> Float {
    switch self {
    case .float32: return max(stepSize, .leastNormalMagnitude)
    case .float16:
      let nearest = Float16(stepSize)
      let covers = nearest.isNormal || Float(nearest) >= stepSize
      return Float(covers ? nearest : nearest.nextUp)
    }
  }
}

/// What a weight matrix is rounded to: the grid, who shares it, and how its range is found.
public struct WeightScheme: Codable, Hashable, Sendable {
  /// The codes.
  public let grid: QuantizationGrid
  /// Which weights share a step size.
  public let granularity: Granularity
  /// How ranges are chosen.
  public let range: RangeEstimation
  /// How step sizes are stored.
  public let scaleType: ScaleType

  /// A scheme.
  ///
  /// - Throws: `QuantizationError.invalidScheme` if a group has less than one weight.
  public init(
    grid: QuantizationGrid,
    granularity: Granularity,
    range: RangeEstimation = .minMax,
    scaleType: ScaleType = .float16
  ) throws(QuantizationError) {
    switch granularity {
    case .inputGroups(let size) where size < 1, .outputGroups(let size) where size < 1:
      throw .invalidScheme("a group of \(size) weights is empty; choose at least 1")
    case .tensor, .outputChannel, .inputGroups, .outputGroups: break
    }
    self.grid = grid
    self.granularity = granularity
    self.range = range
    self.scaleType = scaleType
  }
}
