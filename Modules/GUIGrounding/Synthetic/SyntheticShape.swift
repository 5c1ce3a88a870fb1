/// A shape on a synthetic page; the order is that of the tokens.
public enum SyntheticShape: String, CaseIterable, Codable, Sendable {
  /// A filled square.
  case square
  /// A filled circle.
  case circle
  /// A filled triangle that stands on its base.
  case triangle
  /// Two crossed bars of a third of the side.
  case cross
  /// A circle's outline of a fifth of the side.
  case ring

  /// The columns that the shape covers in a row of its square, one or two runs.
  ///
  /// A pixel belongs to the shape if its centre does; nothing is blended.
  ///
  /// - Parameters:
  ///   - row: the row, 0 ..< `side`.
  ///   - side: the side of the square in pixels.
  /// - Returns: runs of columns in 0 ..< `side`; the second one may be empty.
  func columns(inRow row: Int, side: Int) -> (Range<Int>, Range<Int>) {
    let empty = 0..<0
    switch self {
    case .square: return (0..<side, empty)
    case .circle: return (Self.disc(row, side, diameter: side), empty)
    case .triangle:
      // Half the width at a row's centre is half its distance from the top.
      let half = (Double(row) + 0.5) / 2
      return (Self.centred(half, side), empty)
    case .cross:
      let bar = max(2, side / 3)
      let first = (side - bar) / 2
      return (first..<first + bar).contains(row) ? (0..<side, empty) : (first..<first + bar, empty)
    case .ring:
      let outer = Self.disc(row, side, diameter: side)
      let inner = Self.disc(row, side, diameter: side - 2 * max(2, side / 5))
      guard !inner.isEmpty else { return (outer, empty) }
      return (outer.lowerBound..<inner.lowerBound, inner.upperBound..<outer.upperBound)
    }
  }

  /// The columns of a disc around the centre of a square.
  private static func disc(_ row: Int, _ side: Int, diameter: Int) -> Range<Int> {
    let radius = Double(diameter) / 2
    let height = Double(row) + 0.5 - Double(side) / 2
    let square = radius * radius - height * height
    return square > 0 ? centred(square.squareRoot(), side) : 0..<0
  }

  /// The columns whose centres are at most `half` from the middle.
  private static func centred(_ half: Double, _ side: Int) -> Range<Int> {
    let middle = Double(side) / 2
    let first = max(0, Int((middle - half - 0.5).rounded(.up)))
    let last = min(side - 1, Int((middle + half - 0.5).rounded(.down)))
    return first <= last ? first..<last + 1 : 0..<0
  }
}
