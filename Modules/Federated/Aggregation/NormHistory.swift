/// The norms of the last accepted updates, and whether another one is believable beside them.
public struct NormHistory: Codable, Hashable, Sendable {
  /// How many norms the median is taken of.
  public var window: Int
  /// With fewer norms none is too large.
  public var minimumCount: Int
  /// The norms that were accepted, the oldest first.
  public private(set) var norms: [Double] = []

  /// No norms yet; Choice: the median of the last 64, once there are 5.
  public init(window: Int = 64, minimumCount: Int = 5) {
    self.window = window
    self.minimumCount = minimumCount
  }

  /// The median of the accepted norms; nil before there are enough.
  public var median: Double? {
    guard norms.count >= max(minimumCount, 1) else { return nil }
    let sorted = norms.sorted()
    return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
  }

  /// The largest norm that is accepted: `factor` times the median; nil while any is.
  ///
  /// - Parameter factor: how many times the median a norm may be.
  /// - Returns: the limit.
  public func limit(factor: Double) -> Double? {
    median.flatMap { $0 > 0 ? factor * $0 : nil }
  }

  /// Notes a norm that was accepted.
  public mutating func note(_ norm: Double) {
    norms.append(norm)
    if norms.count > window { norms.removeFirst(norms.count - window) }
  }
}
