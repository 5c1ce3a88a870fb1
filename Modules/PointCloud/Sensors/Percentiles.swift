/// Values in ascending order, for percentiles between them.
struct SortedValues {
  let values: [Double]

  private init(values: [Double]) { self.values = values }

  /// The finite ones among `values`.
  init(_ values: some Sequence<Float>) {
    self.values = values.lazy.filter(\.isFinite).map(Double.init).sorted()
  }

  /// The median; nil without values.
  static func median(of values: [Double]) -> Double? {
    let sorted = SortedValues(values: values.sorted())
    return values.isEmpty ? nil : sorted.percentile(50)
  }

  /// The percentile, linearly between order statistics as numpy does; 0 without values.
  func percentile(_ percent: Double) -> Double {
    guard let last = values.indices.last else { return 0 }
    let place = percent / 100 * Double(last)
    let lower = Int(place)
    let (a, b) = (values[lower], values[min(lower + 1, last)])
    return a + (b - a) * (place - Double(lower))
  }
}

/// The values of each of the four channels of a density [P × 4].
func sortedChannels(of density: UnsafeBufferPointer<Float>, points: [Int]) -> [SortedValues] {
  (0..<BeamDensity.channelCount).map { channel in
    SortedValues(points.lazy.map { density[4 * $0 + channel] })
  }
}
