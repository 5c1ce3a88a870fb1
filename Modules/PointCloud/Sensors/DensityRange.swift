public import Tensor

/// The densities that training has seen, and how others are brought into them: soft clipping.
///
///     Dc = tanh((D − m) / l) · l + m      m = (p90 + p10) / 2      l = (p90 − p10) / 2
///
/// p10 and p90 are the percentiles of the training scans' densities, for each of the four
/// channels. A network is fed u = tanh((D − m) / l), which differs from Dc by a map that its first
/// layer absorbs and is not as small.
///
/// - Source: Kim et al. 2024, "Rethinking LiDAR Domain Generalization", soft clipping.
/// - Choice: the sample that the percentiles are taken of, and u instead of Dc.
public struct DensityRange: Codable, Hashable, Sendable {
  /// m of each channel: the middle of the range.
  public var middle: [Float]
  /// l of each channel: half its width.
  public var spread: [Float]

  /// The least half width.
  static let minimumSpread = 1e-6

  /// What becomes of densities outside the range.
  public enum Clipping: String, Codable, Hashable, Sendable {
    /// They approach the range's ends: tanh((D − m) / l).
    case soft
    /// They stay as far outside as they are: (D − m) / l.
    case none
  }

  /// A range by the middle and half the width of each channel.
  public init(middle: [Float], spread: [Float]) {
    expect(
      Self.areValid(middle, spread),
      "density range: middles \(middle) and half widths \(spread), must be 4 numbers of each"
    )
    self.middle = middle
    self.spread = spread.map { max($0, Float(Self.minimumSpread)) }
  }

  private static func areValid(_ middle: [Float], _ spread: [Float]) -> Bool {
    middle.count == BeamDensity.channelCount && spread.count == BeamDensity.channelCount
      && (middle + spread).allSatisfy(\.isFinite)
  }

  /// Reads a range; one that is none is refused.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    let middle = try values.decode([Float].self, forKey: .middle)
    let spread = try values.decode([Float].self, forKey: .spread)
    guard Self.areValid(middle, spread) else {
      throw DecodingError.dataCorruptedError(
        forKey: .spread,
        in: values,
        debugDescription: "a density range has \(BeamDensity.channelCount) middles and half widths"
      )
    }
    self.init(middle: middle, spread: spread)
  }

  /// The range from p10 to p90 of densities [P × 4]; nil if none of them is finite.
  public init?(of density: Tensor<Float>) {
    expect(
      density.rank == 2 && density.shape[1] == BeamDensity.channelCount,
      "density range: densities are [P × 4], found \(density.shape)"
    )
    let sorted = density.withUnsafeElements {
      sortedChannels(of: $0, points: Array(0..<density.shape[0]))
    }
    guard sorted.allSatisfy({ !$0.values.isEmpty }) else { return nil }
    let low = sorted.map { $0.percentile(10) }
    let high = sorted.map { $0.percentile(90) }
    self.init(
      middle: zip(low, high).map { Float(($1 + $0) / 2) },
      spread: zip(low, high).map { Float(max(($1 - $0) / 2, Self.minimumSpread)) }
    )
  }

  /// How much of the training scans the percentiles are taken of.
  public struct Sample: Codable, Hashable, Sendable {
    /// The most scans.
    public var scanCount: Int
    /// The most points of each.
    public var pointCount: Int

    /// A sample of points of random scans.
    public init(scanCount: Int = 400, pointCount: Int = 1000) {
      self.scanCount = scanCount
      self.pointCount = pointCount
    }
  }

  /// The range of training scans: percentiles over random points of random scans.
  ///
  /// `density` is asked for the density [P × 4] of each chosen scan.
  ///
  /// - Returns: nil if the chosen scans have no points.
  /// - Throws: What `density` throws.
  public init?<Failure: Error>(
    ofTraining scanCount: Int,
    sample: Sample = Sample(),
    using generator: inout Philox,
    density: (_ scan: Int) throws(Failure) -> Tensor<Float>
  ) throws(Failure) {
    let order = Tensor<Int32>.permutation(scanCount, using: &generator).elements
    // Each scan has its own stream, so that what is drawn of it depends on nothing else.
    let source = Philox(seed: generator.next())
    var parts: [Tensor<Float>] = []
    for scan in order.prefix(sample.scanCount) {
      let values = try density(Int(scan))
      var stream = source.fork(Int(scan))
      let points = Tensor<Int32>.permutation(values.shape[0], using: &stream)
      parts.append(values.rows(points.elements.prefix(sample.pointCount)))
    }
    guard !parts.isEmpty else { return nil }
    self.init(of: .concatenating(parts, axis: 0))
  }

  /// Dc, the density [P × 4] softly clipped into the range.
  public func clipped(_ density: Tensor<Float>) -> Tensor<Float> {
    normalized(density) * row(spread) + row(middle)
  }

  /// u, what networks are fed of a density [P × 4]: around 0, within ±1 if clipped.
  public func normalized(
    _ density: Tensor<Float>,
    clipping: Clipping = .soft
  ) -> Tensor<Float> {
    let scaled = (density - row(middle)) / row(spread)
    switch clipping {
    case .soft: return scaled.tanh()
    case .none: return scaled
    }
  }

  /// The densities from m − l to m + l of a channel: p10 to p90 of training.
  public func bounds(channel: Int) -> ClosedRange<Float> {
    middle[channel] - spread[channel]...middle[channel] + spread[channel]
  }

  private func row(_ values: [Float]) -> Tensor<Float> { Tensor(values, shape: [1, values.count]) }
}
