import Tensor

/// 0, 1, 2, … in the given shape.
func counting<Element: TensorNumber>(
  _ shape: Shape,
  _: Element.Type = Int32.self
) -> Tensor<Element> {
  Tensor((0..<shape.count).map { Element(exactly: $0) ?? 0 }, shape: shape)
}

/// Every list of indices of a shape, in row-major order.
func indices(of shape: Shape) -> [[Int]] {
  var lists: [[Int]] = [[]]
  for extent in shape.extents { lists = lists.flatMap { list in (0..<extent).map { list + [$0] } } }
  return lists
}

extension Tensor {
  /// The tensor of `shape` whose element at each list of indices is this tensor's at another.
  func picked(_ shape: Shape, _ place: ([Int]) -> [Int]) -> Tensor {
    let (elements, extents) = (elements, self.shape.extents)
    let chosen = indices(of: shape).map { list in
      elements[zip(place(list), extents).reduce(0) { $0 * $1.1 + $1.0 }]
    }
    return Tensor(chosen, shape: shape)
  }
}
