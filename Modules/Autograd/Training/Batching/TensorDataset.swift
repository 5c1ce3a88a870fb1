public import Tensor

/// Tensors in memory whose leading axis counts examples: inputs, targets, weights.
///
///     let data = TensorDataset(images, labels)         // [N × 784], [N]
///     for (x, y) in data.batches(of: 64, order: .shuffled(seed: 1), epochs: 3) { … }
///
/// - Shapes: tensors [N × …]; a batch of B examples holds [B × …] of each, as a tuple.
public struct TensorDataset<each Element: TensorElement>: Dataset, Sendable {
  /// The tensors, as a tuple.
  public let tensors: (repeat Tensor<each Element>)
  /// N, the number of examples.
  public let count: Int

  /// A dataset over tensors with the same leading extent.
  public init(_ tensors: repeat Tensor<each Element>) {
    var shapes: [Shape] = []
    for tensor in repeat each tensors { shapes.append(tensor.shape) }
    let text = shapes.map(\.description).joined(separator: " · ")
    expect(
      !shapes.isEmpty && shapes.allSatisfy { $0.rank > 0 && $0[0] == shapes[0][0] },
      "tensor dataset: the leading extents must agree, \(text)"
    )
    self.tensors = (repeat each tensors)
    count = shapes[0][0]
  }

  /// Copies of the examples `indices`, in that order.
  public subscript(indices: [Int]) -> (repeat Tensor<each Element>) {
    let places = indices.map { Int32($0) }
    return (repeat (each tensors).rows(places))
  }

  /// The examples `range` as a dataset of their own; shares memory.
  public subscript(range: Range<Int>) -> TensorDataset {
    TensorDataset(repeat (each tensors)[range])
  }
}
