/// A height and a width: of a kernel, a stride, a padding; one number stands for both.
///
///     let square: PlaneExtent = 3
///     let wide = PlaneExtent(height: 1, width: 5)
public struct PlaneExtent: Hashable, Sendable, Codable {
  /// Along the rows' axis, the second last.
  public var height: Int
  /// Along the columns' axis, the last.
  public var width: Int

  /// A height and a width.
  public init(height: Int, width: Int) {
    self.height = height
    self.width = width
  }

  /// The same along both axes.
  public init(_ both: Int) { self.init(height: both, width: both) }
}

extension PlaneExtent: ExpressibleByIntegerLiteral {
  /// The same along both axes.
  public init(integerLiteral both: Int) { self.init(both) }
}

extension PlaneExtent: CustomStringConvertible {
  /// Height by width: `3×5`.
  public var description: String { "\(height)×\(width)" }

  /// Whether both are at least `limit`.
  func isAtLeast(_ limit: Int) -> Bool { height >= limit && width >= limit }
}
