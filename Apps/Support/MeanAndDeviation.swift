/// The mean of a few measurements, such as one for each seed, and how far they lie apart.
///
///     m = Σ xᵢ / n      s² = Σ (xᵢ − m)² / (n − 1)
public struct MeanAndDeviation: Encodable, Hashable, Sendable {
  /// The measurements.
  public let values: [Double]
  /// m.
  public let mean: Double
  /// s, that of a sample; nil of one value, which says nothing about others.
  public let deviation: Double?

  /// The mean of some values; nil of none.
  public init?(_ values: [Double]) {
    guard !values.isEmpty else { return nil }
    let count = Double(values.count)
    let mean = values.reduce(0, +) / count
    let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    self.values = values
    self.mean = mean
    deviation = values.count > 1 ? (squares / (count - 1)).squareRoot() : nil
  }

  /// Both with `digits` decimals, of one value the mean alone: 12.345 ± 0.012.
  public func text(_ digits: Int) -> String {
    mean.fixed(digits) + (deviation.map { " ± \($0.fixed(digits))" } ?? "")
  }
}
