extension Tensor: CustomStringConvertible {
  /// The shape, the element type and the elements, nested; long axes show their ends.
  public var description: String {
    let values = elements
    return "\(shape) \(Element.elementType.rawValue) "
      + Self.rendered(values[...], extents: shape.extents[...])
  }

  private static func rendered(_ values: ArraySlice<Element>, extents: ArraySlice<Int>) -> String {
    guard let extent = extents.first else { return values.first.map { "\($0)" } ?? "" }
    let rest = extents.dropFirst()
    let stride = rest.reduce(1, *)
    let shown = 3
    var parts: [String] = []
    for index in 0..<extent {
      if extent > 2 * shown && index >= shown && index < extent - shown {
        if index == shown { parts.append("…") }
        continue
      }
      let start = values.startIndex + index * stride
      parts.append(rendered(values[start..<start + stride], extents: rest))
    }
    return "[" + parts.joined(separator: ", ") + "]"
  }
}
