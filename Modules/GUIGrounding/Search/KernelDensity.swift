import Foundation
import Tensor

/// The density that votes make when each is spread with a Gaussian.
///
///     p(c) = Σ w_i · exp(−½ (c − c_i)ᵀ H⁻¹ (c − c_i)) / (2π √det H)      Σ w_i = 1
///
/// With H = h²·1 the kernel is the same in all directions; Scott's and Silverman's rules take the
/// covariance of the votes, as `gaussian_kde` of scipy does in two dimensions.
///
///     let density = KernelDensity(points: votes, bandwidth: .pixels(16), side: 1920)
///     let answer = density.mode
///
/// - Complexity: O(N) for a density, O(N²) for the largest one.
public struct KernelDensity: Sendable {
  /// The votes, at least one.
  public let points: [GroundingPoint]
  /// Their weights; the sum is 1.
  public let weights: [Double]
  /// What each vote is spread with.
  public let kernel: VoteKernel

  /// The move below which the search for a mode ends, in pixels.
  public static let tolerance = 1e-3
  /// The most moves of that search.
  public static let roundLimit = 50

  /// A density.
  ///
  /// - Parameters:
  ///   - points: finite votes, at least one.
  ///   - weights: what each counts, not negative and not all 0; nil for the same.
  ///   - bandwidth: how far a vote reaches; above 0.
  ///   - side: the longer side of the region that the votes are on.
  public init(
    points: [GroundingPoint],
    weights: [Double]? = nil,
    bandwidth: VoteBandwidth,
    side: Double
  ) {
    let shares = Self.shares(points, weights)
    self.init(
      points: points,
      shares: shares,
      kernel: VoteKernel(bandwidth, points, shares, side: side)
    )
  }

  /// A density of votes that are spread with a given kernel.
  public init(points: [GroundingPoint], weights: [Double]? = nil, kernel: VoteKernel) {
    self.init(points: points, shares: Self.shares(points, weights), kernel: kernel)
  }

  private init(points: [GroundingPoint], shares: [Double], kernel: VoteKernel) {
    expect(
      kernel.determinant > 0 && kernel.determinant.isFinite && kernel.xx > 0,
      "density: a kernel of variances \(kernel.xx) and \(kernel.yy) with covariance \(kernel.xy)"
    )
    (self.points, weights, self.kernel) = (points, shares, kernel)
  }

  /// Weights whose sum is 1.
  private static func shares(_ points: [GroundingPoint], _ weights: [Double]?) -> [Double] {
    let given = weights ?? Array(repeating: 1, count: points.count)
    let largest = given.max() ?? 0
    expect(
      !points.isEmpty && given.count == points.count && points.allSatisfy(\.isFinite)
        && largest > 0 && given.allSatisfy { $0 >= 0 && $0.isFinite },
      "density: \(points.count) votes and \(given.count) weights; finite votes and weights that "
        + "are not negative, one above 0, are needed"
    )
    // By the largest first: huge weights must not add up to infinity.
    let sum = given.reduce(0) { $0 + $1 / largest }
    return given.map { $0 / largest / sum }
  }

  /// log p at a place; −∞ nowhere, however far it is.
  public func logDensity(at place: GroundingPoint) -> Double {
    var (largest, sum) = (-Double.infinity, 0.0)
    for index in points.indices where weights[index] > 0 {
      let exponent = log(weights[index]) - halfSquare(place, index)
      if exponent > largest {
        sum = sum * exp(largest - exponent) + 1
        largest = exponent
      } else {
        sum += exp(exponent - largest)
      }
    }
    return largest + log(sum) - log(2 * .pi) - 0.5 * log(kernel.determinant)
  }

  /// p at a place.
  public func density(at place: GroundingPoint) -> Double { exp(logDensity(at: place)) }

  /// The vote where the density is largest, the first of equal ones.
  public var peakIndex: Int {
    let logs = points.map(logDensity)
    let largest = logs.max() ?? 0
    // Sums in another order differ in the last digits: those are no reason to prefer a later vote.
    return logs.firstIndex { $0 >= largest - 1e-12 } ?? 0
  }

  /// A mode, reached from the vote where the density is largest uphill by mean shift.
  ///
  ///     c ← Σ w_i k_i c_i / Σ w_i k_i
  ///
  /// It ends with a move below 1e-3 pixels, or after 50 moves.
  ///
  /// - Source: Comaniciu and Meer 2002, "Mean Shift".
  public var mode: GroundingPoint {
    var place = points[peakIndex]
    for _ in 0..<Self.roundLimit {
      let next = shifted(place)
      let move = next.distance(to: place)
      place = next
      if move < Self.tolerance { break }
    }
    return place
  }

  /// The mean of the votes, each by its share of the density at a place.
  private func shifted(_ place: GroundingPoint) -> GroundingPoint {
    let squares = points.indices.map { halfSquare(place, $0) }
    // Relative to the nearest vote that counts, so that not all shares vanish.
    let nearest = points.indices.lazy.filter { weights[$0] > 0 }.map { squares[$0] }.min() ?? 0
    var (x, y, sum) = (0.0, 0.0, 0.0)
    for index in points.indices {
      let share = weights[index] * exp(nearest - squares[index])
      x += share * points[index].x
      y += share * points[index].y
      sum += share
    }
    return GroundingPoint(x: x / sum, y: y / sum)
  }

  private func halfSquare(_ place: GroundingPoint, _ index: Int) -> Double {
    kernel.halfSquare(place.x - points[index].x, place.y - points[index].y)
  }
}
