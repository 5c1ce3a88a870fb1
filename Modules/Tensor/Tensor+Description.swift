extension Tensor: CustomStringConvertible {
  /// The shape, the element type and the elements in aligned columns; long axes show their ends.
  ///
  ///     [2×3] float32
  ///     [[1.0, -2.5,  3.0],
  ///      [4.0,  0.0, 12.0]]
  public var description: String {
    let title = "\(shape) \(Element.elementType.rawValue)"
    var places: [Int] = []
    collectPlaces(&places, axis: 0, from: 0)
    let texts = withUnsafeElements { elements in formatted(places.map { elements[$0] }) }
    let width = rank < 2 ? 0 : texts.map(\.count).max() ?? 0
    var cells = texts.map {
      String(repeating: " ", count: width - Swift.min(width, $0.count)) + $0
    }[...]
    return title + (rank < 2 ? " " : "\n") + rendered(&cells, axis: 0)
  }

  /// How many elements an axis shows at each end.
  private var shownAtEnds: Int { 3 }

  private func shownIndices(_ axis: Int) -> [Int] {
    let extent = shape[axis]
    if extent <= 2 * shownAtEnds { return Array(0..<extent) }
    return Array(0..<shownAtEnds) + Array(extent - shownAtEnds..<extent)
  }

  private func collectPlaces(_ places: inout [Int], axis: Int, from start: Int) {
    guard axis < rank else {
      places.append(start)
      return
    }
    for index in shownIndices(axis) {
      collectPlaces(&places, axis: axis + 1, from: start + index * shape.strides[axis])
    }
  }

  private func rendered(_ cells: inout ArraySlice<String>, axis: Int) -> String {
    guard axis < rank else { return cells.popFirst() ?? "" }
    var parts: [String] = []
    for (shown, _) in shownIndices(axis).enumerated() {
      if shape[axis] > 2 * shownAtEnds && shown == shownAtEnds { parts.append("…") }
      parts.append(rendered(&cells, axis: axis + 1))
    }
    // One line for the last axis, one empty line more for each axis outside of a matrix.
    let breaks = String(repeating: "\n", count: rank - 1 - axis)
    let indent = String(repeating: " ", count: axis + 1)
    let separator = axis == rank - 1 ? ", " : "," + breaks + indent
    return "[" + parts.joined(separator: separator) + "]"
  }

  private func formatted(_ values: [Element]) -> [String] {
    let numbers = values.compactMap { value -> Double? in
      switch value {
      case let value as Float: Double(value)
      case let value as Double: value
      case let value as Float16: Double(value)
      case let value as BFloat16: Double(Float(value))
      default: nil
      }
    }
    guard numbers.count == values.count else { return values.map { "\($0)" } }
    return NumberColumn(numbers).texts
  }
}

/// Floating numbers that are printed together: as short as they are, else with four decimals.
private struct NumberColumn {
  let texts: [String]

  init(_ numbers: [Double]) {
    let finite = numbers.filter { $0.isFinite && $0 != 0 }.map(\.magnitude)
    let (least, most) = (finite.min() ?? 1, finite.max() ?? 1)
    // Beyond this the decimals would show nothing, or nothing but zeros.
    let isFixed = most < 1e7 && least >= 1e-3
    texts = numbers.map { number in
      guard number.isFinite else { return "\(number)" }
      return isFixed || number == 0 ? Self.fixed(number) : Self.scientific(number)
    }
  }

  /// At most four decimals, at least one.
  private static func fixed(_ number: Double) -> String {
    let scaled = (number.magnitude * 1e4).rounded(.toNearestOrEven)
    let (whole, part) = Int(scaled).quotientAndRemainder(dividingBy: 10_000)
    var decimals = String(String(part + 10_000).dropFirst())
    while decimals.count > 1 && decimals.hasSuffix("0") { decimals.removeLast() }
    return (number < 0 ? "-" : "") + "\(whole).\(decimals)"
  }

  /// Five significant digits and an exponent.
  private static func scientific(_ number: Double) -> String {
    var exponent = 0
    var mantissa = number.magnitude
    while mantissa >= 9.99995 { (mantissa, exponent) = (mantissa / 10, exponent + 1) }
    while mantissa < 0.999995 { (mantissa, exponent) = (mantissa * 10, exponent - 1) }
    return (number < 0 ? "-" : "") + "\(fixed(mantissa))e\(exponent)"
  }
}
