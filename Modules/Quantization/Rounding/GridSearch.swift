import Tensor

/// The grid of one group of weights.
struct GroupGrid: Hashable, Sendable {
  var stepSize: Float
  var zeroPoint: Float
}

/// Finds the step size and the zero point of groups of weights, as a scheme says.
struct GridSearch {
  let scheme: WeightScheme
  /// The smallest and the largest weight of the whole matrix: searches that treat one-sided weights
  /// apart ask for the matrix, not for the group.
  let extrema: (minimum: Float, maximum: Float)

  init(_ scheme: WeightScheme, extrema: (minimum: Float, maximum: Float)) {
    self.scheme = scheme
    self.extrema = extrema
  }

  init(_ scheme: WeightScheme, for weight: Tensor<Float>) {
    let extrema =
      scheme.range == .flexRoundSearch
      ? weight.withUnsafeElements { GroupRounding.extrema($0) } : (-1, 1)
    self.init(scheme, extrema: extrema)
  }

  /// The grid of one group; nil if a weight is not finite or its range overflows.
  func grid(for group: UnsafeBufferPointer<Float>) -> GroupGrid? {
    let found = GroupRounding.extrema(group)
    guard !found.minimum.isNaN else { return nil }
    switch scheme.range {
    case .adaDim where !scheme.grid.isSymmetric:
      return checked(adaDim(found.minimum, found.maximum))
    case .minMax, .adaDim:
      return checked(step(scheme.grid.range(covering: found.minimum, found.maximum), shrunkTo: 1))
    case .meanSquaredError: return shrunk(group, found)
    case .flexRound: return checked(flexRound(found.minimum, found.maximum))
    case .flexRoundSearch: return searched(group, found)
    }
  }

  private func checked(_ grid: GroupGrid) -> GroupGrid? {
    grid.stepSize.isFinite && grid.zeroPoint.isFinite ? grid : nil
  }

  private func step(
    _ range: (minimum: Float, maximum: Float),
    shrunkTo fraction: Float
  ) -> GroupGrid {
    let span = fraction * (range.maximum - range.minimum)
    let size = scheme.scaleType.stored(span / Float(scheme.grid.maximumCode))
    return GroupGrid(
      stepSize: size,
      zeroPoint: scheme.grid.zeroPoint(minimum: fraction * range.minimum, stepSize: size)
    )
  }

  // MARK: - GPTQ's shrink search

  private func shrunk(
    _ group: UnsafeBufferPointer<Float>,
    _ found: (minimum: Float, maximum: Float)
  ) -> GroupGrid? {
    let range = scheme.grid.range(covering: found.minimum, found.maximum)
    guard var best = checked(step(range, shrunkTo: 1)) else { return nil }
    var bestError = Double.infinity
    for index in 0..<80 {
      let candidate = step(range, shrunkTo: 1 - Float(index) / 100)
      let error = GroupRounding.squaredError(
        group,
        stepSize: candidate.stepSize,
        zeroPoint: candidate.zeroPoint,
        bits: scheme.grid.bits
      )
      if error < bestError { (best, bestError) = (candidate, error) }
    }
    return best
  }

  // MARK: - AdaDim

  /// s = max(mx − mn, 10⁻⁵) / L, z = clamp(−round(mn / s), 0, L).
  private func adaDim(_ minimum: Float, _ maximum: Float) -> GroupGrid {
    let top = Float(scheme.grid.maximumCode)
    let size = scheme.scaleType.stored(max(maximum - minimum, 1e-5) / top)
    let zero = -(minimum / size).rounded(.toNearestOrEven)
    return GroupGrid(stepSize: size, zeroPoint: min(max(zero, 0), top))
  }

  // MARK: - FlexRound and LRQ

  /// s = max((mx − mn) / L, 10⁻⁸), z = clamp(−round(mn / s), 0, L); symmetric: s = max(2a / L, 10⁻⁸).
  private func flexRound(_ minimum: Float, _ maximum: Float) -> GroupGrid {
    let top = Float(scheme.grid.maximumCode)
    let (mn, mx) = (min(minimum, 0), max(maximum, 0))
    let span = scheme.grid.isSymmetric ? 2 * max(mx, -mn) : mx - mn
    let size = scheme.scaleType.stored(max(span / top, 1e-8))
    return GroupGrid(
      stepSize: size,
      zeroPoint: scheme.grid.zeroPoint(minimum: mn, stepSize: size)
    )
  }

  private func searched(
    _ group: UnsafeBufferPointer<Float>,
    _ found: (minimum: Float, maximum: Float)
  ) -> GroupGrid? {
    let (mn, mx) = (min(found.minimum, 0), max(found.maximum, 0))
    guard var best = checked(flexRound(mn, mx)) else { return nil }
    // The official code starts from this score; larger ones never win.
    var bestError = 1e10 * Double(max(group.count, 1))
    let candidates = SearchCandidates(scheme.grid, extrema, mn, mx)
    // The likely winner of each width first: its error is where all others are given up. The order
    // of the search, in which the first of equals wins, stays the official one.
    var limit = bestError
    for index in 1...100 {
      limit = min(limit, error(of: flexRound(candidates.likely(index)), group, limit))
    }
    for index in 1...100 {
      candidates.forEach(index) { minimum, maximum in
        let candidate = flexRound(minimum, maximum)
        let error = error(of: candidate, group, min(limit, bestError))
        if error < bestError, error <= limit { (best, bestError) = (candidate, error) }
      }
    }
    return best
  }

  private func flexRound(_ range: (minimum: Float, maximum: Float)) -> GroupGrid {
    flexRound(range.minimum, range.maximum)
  }

  /// Σ |w − ŵ|^2.4, or something above `limit`.
  private func error(
    of grid: GroupGrid,
    _ group: UnsafeBufferPointer<Float>,
    _ limit: Double
  ) -> Double {
    GroupRounding.powerError(
      group,
      stepSize: grid.stepSize,
      zeroPoint: grid.zeroPoint,
      bits: scheme.grid.bits,
      exponent: 2.4,
      limit: limit
    )
  }
}

/// The ranges that FlexRound's and LRQ's official search tries for one group.
private struct SearchCandidates {
  private let isSymmetric: Bool
  /// All weights of the matrix have this sign; nil for both signs.
  private let onlySign: Float?
  private let width: Float
  private let minimum: Float
  private let top: Int

  init(
    _ grid: QuantizationGrid,
    _ extrema: (minimum: Float, maximum: Float),
    _ minimum: Float,
    _ maximum: Float
  ) {
    isSymmetric = grid.isSymmetric
    onlySign = extrema.minimum >= 0 ? 1 : extrema.maximum <= 0 ? -1 : nil
    self.minimum = minimum
    top = grid.maximumCode
    let isOneDimensional = isSymmetric || onlySign != nil
    width = isOneDimensional ? max(-minimum, maximum) : maximum - minimum
  }

  private func reach(_ index: Int) -> Float { width / 100 * Float(index) }

  private func range(_ index: Int, zero: Int) -> (minimum: Float, maximum: Float) {
    let reach = reach(index)
    let delta = reach / Float(top)
    return (-Float(zero) * delta, reach - Float(zero) * delta)
  }

  private func oneDimensional(_ index: Int) -> (minimum: Float, maximum: Float)? {
    let reach = reach(index)
    if isSymmetric { return (-reach, reach) }
    return onlySign.map { $0 > 0 ? (0, reach) : (-reach, 0) }
  }

  /// The range of that width whose zero point fits the smallest weight best.
  func likely(_ index: Int) -> (minimum: Float, maximum: Float) {
    if let range = oneDimensional(index) { return range }
    guard width > 0 else { return (0, 0) }
    let zero = (-minimum / width * Float(top)).rounded()
    return range(index, zero: min(max(Int(zero), 0), top))
  }

  /// Calls `body` with every range of that width, in the official order.
  func forEach(_ index: Int, _ body: (_ minimum: Float, _ maximum: Float) -> Void) {
    if let range = oneDimensional(index) {
      body(range.minimum, range.maximum)
      return
    }
    for zero in 0...top {
      let range = range(index, zero: zero)
      body(range.minimum, range.maximum)
    }
  }
}
