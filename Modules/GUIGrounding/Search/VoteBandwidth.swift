import Foundation

/// How far a vote reaches.
public enum VoteBandwidth: Hashable, Codable, Sendable {
  /// A Gaussian of this deviation in pixels of the image.
  case pixels(Double)
  /// A share of the longer side of the region that the votes are on.
  case relative(Double)
  /// The covariance of the votes, times a factor squared.
  case covariance(factor: Double)
  /// The covariance of the votes, by Scott's rule; flat where the votes form two clusters.
  case scott
  /// The covariance of the votes, by Silverman's rule, which is Scott's in two dimensions.
  case silverman

  /// What the rules by covariance fall back to where the votes lie on a line or are fewer than three.
  public static let fallback = VoteBandwidth.relative(0.02)
}

/// The covariance of the Gaussian that every vote is spread with.
public struct VoteKernel: Hashable, Codable, Sendable {
  /// The variance along x.
  public let xx: Double
  /// The covariance.
  public let xy: Double
  /// The variance along y.
  public let yy: Double

  /// A kernel that reaches equally far in all directions.
  public init(deviation: Double) {
    self.init(xx: deviation * deviation, xy: 0, yy: deviation * deviation)
  }

  /// A kernel of a covariance.
  public init(xx: Double, xy: Double, yy: Double) { (self.xx, self.xy, self.yy) = (xx, xy, yy) }

  /// The determinant of the covariance.
  var determinant: Double { xx * yy - xy * xy }

  /// The square root of the mean variance: h of an equal kernel.
  public var deviation: Double { ((xx + yy) / 2).squareRoot() }

  /// Half the squared distance in units of the kernel.
  func halfSquare(_ dx: Double, _ dy: Double) -> Double {
    (yy * dx * dx - 2 * xy * dx * dy + xx * dy * dy) / (2 * determinant)
  }

  /// The kernel of weighted votes.
  ///
  /// - Parameters:
  ///   - bandwidth: the rule.
  ///   - points: the votes.
  ///   - weights: their weights, whose sum is 1.
  ///   - side: the longer side of the region that they are on.
  init(_ bandwidth: VoteBandwidth, _ points: [GroundingPoint], _ weights: [Double], side: Double) {
    switch bandwidth {
    case .pixels(let h): self.init(deviation: h)
    case .relative(let share): self.init(deviation: share * side)
    case .covariance(let factor):
      self = Self.covariance(points, weights, factor: factor, side: side)
    case .scott, .silverman:
      // n_eff = (Σ w)² / Σ w²; in two dimensions Silverman's constant is 1.
      let squares = weights.reduce(0) { $0 + $1 * $1 }
      let factor = pow(1 / squares, -1.0 / 6)
      self = Self.covariance(points, weights, factor: factor, side: side)
    }
  }

  private static func covariance(
    _ points: [GroundingPoint],
    _ weights: [Double],
    factor: Double,
    side: Double
  ) -> VoteKernel {
    let mean = VoteAggregation.mean(points, weights)
    var (xx, xy, yy, squares) = (0.0, 0.0, 0.0, 0.0)
    for (point, weight) in zip(points, weights) {
      let (dx, dy) = (point.x - mean.x, point.y - mean.y)
      xx += weight * dx * dx
      xy += weight * dx * dy
      yy += weight * dy * dy
      squares += weight * weight
    }
    let scale = factor * factor / (1 - squares)
    let kernel = VoteKernel(xx: xx * scale, xy: xy * scale, yy: yy * scale)
    let trace = kernel.xx + kernel.yy
    // Below this the votes lie on a line, up to rounding.
    guard points.count > 2, scale.isFinite, kernel.determinant > 1e-12 * trace * trace else {
      return VoteKernel(VoteBandwidth.fallback, points, weights, side: side)
    }
    return kernel
  }
}
