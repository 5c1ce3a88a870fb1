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
    let top = Float(scheme.grid.maximumCode)
    // The official code starts from this score; larger ones never win.
    var bestError = 1e10 * Double(max(group.count, 1))
    func consider(_ minimum: Float, _ maximum: Float) {
      let candidate = flexRound(minimum, maximum)
      let error = GroupRounding.powerError(
        group,
        stepSize: candidate.stepSize,
        zeroPoint: candidate.zeroPoint,
        bits: scheme.grid.bits,
        exponent: 2.4,
        limit: bestError
      )
      if error < bestError { (best, bestError) = (candidate, error) }
    }
    let (isPositive, isNegative) = (extrema.minimum >= 0, extrema.maximum <= 0)
    let isOneDimensional = scheme.grid.isSymmetric || isPositive || isNegative
    let width = isOneDimensional ? max(-mn, mx) : mx - mn
    for index in 1...100 {
      let reach = width / 100 * Float(index)
      if scheme.grid.isSymmetric {
        consider(-reach, reach)
      } else if isOneDimensional {
        consider(isPositive ? 0 : -reach, isPositive ? reach : 0)
      } else {
        let delta = reach / top
        for zero in 0...scheme.grid.maximumCode {
          consider(-Float(zero) * delta, reach - Float(zero) * delta)
        }
      }
    }
    return best
  }
}
