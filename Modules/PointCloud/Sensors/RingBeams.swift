/// What the rings of a scan say about the beams that made them.
struct RingBeams {
  /// The most rings that a scan is believed to have.
  static let limit = 10_000
  /// A ring of fewer points does not tell the number of columns.
  static let leastPoints = 16
  /// The most columns of a sensor; neighbours that are closer are two returns of one firing.
  static let maximumColumns = 100_000.0

  /// The median elevation of each ring in degrees; nil for a ring without points.
  let medians: [Double?]
  /// The azimuths of each ring in degrees.
  private let azimuths: [[Double]]

  init(_ directions: ScanDirections, _ rings: [Int32]) throws(BeamModelError) {
    let (least, most) = (Int(rings.min() ?? 0), Int(rings.max() ?? 0))
    guard least >= 0, most < Self.limit else {
      throw .notEstimable(
        reason: "the rings run from \(least) to \(most), must be within 0 and \(Self.limit - 1)"
      )
    }
    var elevations = Array(repeating: [Double](), count: most + 1)
    var azimuths = elevations
    for (index, ring) in rings.enumerated() {
      elevations[Int(ring)].append(directions.elevations[index])
      azimuths[Int(ring)].append(directions.azimuths[index])
    }
    medians = elevations.map { SortedValues.median(of: $0) }
    self.azimuths = azimuths
  }

  /// The elevation of each ring, the topmost first; rings without points are put between their
  /// neighbours.
  func elevations() throws(BeamModelError) -> [Double] {
    let known = medians.indices.filter { medians[$0] != nil }
    guard known.count * 2 >= medians.count else {
      throw .notEstimable(
        reason: "only \(known.count) of \(medians.count) rings have points; are these rings?"
      )
    }
    let values = known.compactMap { medians[$0] }
    let rising = zip(values, values.dropFirst()).filter { $0 < $1 }.count
    guard rising * 2 <= values.count - 1 else {
      throw .notEstimable(reason: "ring 0 is the lowest beam; rings are counted from the topmost")
    }
    // Noise may swap neighbours.
    return medians.indices.map { extended(known, $0) }.sorted(by: >)
  }

  /// The elevation of a ring on the line through its neighbours that have points.
  private func extended(_ known: [Int], _ ring: Int) -> Double {
    if let value = medians[ring] { return value }
    guard known.count > 1 else { return medians[known[0]] ?? 0 }
    let above = known.firstIndex { $0 > ring } ?? known.count - 1
    let (a, b) = (known[max(above - 1, 0)], known[max(above, 1)])
    let (first, second) = (medians[a] ?? 0, medians[b] ?? 0)
    let value = first + (second - first) * Double(ring - a) / Double(b - a)
    return min(max(value, -90), 90)
  }

  /// The columns of a turn: the median over the rings of what fits into the covered azimuth.
  func columnCount() throws(BeamModelError) -> Int {
    let counts = azimuths.compactMap { Self.columns($0) }
    guard let count = SortedValues.median(of: counts) else {
      throw .notEstimable(
        reason: "no ring has \(Self.leastPoints) points in different columns, "
          + "too few to count the columns"
      )
    }
    return max(Int(count.rounded()), 1)
  }

  /// The columns of a turn of which a ring shows these azimuths.
  ///
  /// A gap between neighbours of up to 3.5 typical steps is covered and holds a whole number of
  /// columns; wider ones are not covered. The typical step is found from the median gap.
  private static func columns(_ azimuths: [Double]) -> Double? {
    let sorted = azimuths.sorted()
    guard let first = sorted.first else { return nil }
    let following = sorted.dropFirst() + [first + 360]
    let gaps = zip(sorted, following).map { $1 - $0 }.filter { $0 >= 360 / maximumColumns }
    guard gaps.count >= leastPoints, var step = SortedValues.median(of: gaps) else { return nil }
    for _ in 0..<3 {
      var (covered, columns) = (0.0, 0.0)
      for gap in gaps where gap <= 3.5 * step {
        covered += gap
        columns += (gap / step).rounded()
      }
      guard columns > 0 else { return nil }
      step = covered / columns
    }
    return 360 / step
  }
}
