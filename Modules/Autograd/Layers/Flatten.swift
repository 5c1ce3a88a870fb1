import Tensor

/// Joins neighbouring axes into one; shares memory.
///
///     Flatten()(x)   // [N × C × H × W] becomes [N × (C·H·W)]
public struct Flatten: Layer, Codable, Hashable, Sendable {
  /// The first axis that is joined; negative axes count from the end.
  public var firstAxis: Int
  /// The last axis that is joined; negative axes count from the end.
  public var lastAxis: Int

  /// Joins the axes from one to another, both included; all but the first by default.
  public init(from firstAxis: Int = 1, through lastAxis: Int = -1) {
    self.firstAxis = firstAxis
    self.lastAxis = lastAxis
  }

  /// The same elements with fewer axes.
  public func callAsFunction(_ input: Variable) -> Variable {
    let (shape, rank) = (input.shape, input.rank)
    let first = firstAxis < 0 ? firstAxis + rank : firstAxis
    let last = lastAxis < 0 ? lastAxis + rank : lastAxis
    expect(
      0 <= first && first <= last && last < rank,
      "flatten: no axes from \(firstAxis) through \(lastAxis) in \(shape)"
    )
    let extents = shape.extents
    let joined = extents[first...last].reduce(1, *)
    return input.reshaped(to: Shape(extents[..<first] + [joined] + extents[(last + 1)...]))
  }
}
