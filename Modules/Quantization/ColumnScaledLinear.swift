public import Autograd
public import Tensor

/// A linear layer whose blocks of outputs share a step size for each input, over interleaved codes.
///
///     y_block = C (s ⊙ x) − Σ z ⊙ (s ⊙ x) + b
///
/// The input is scaled once per block and no step size is left in the product. Zero points that
/// differ from input to input are one more row of codes, so that they see the same rounding of the
/// input as the codes that they belong to: what cancels in floats cancels in integers.
///
/// - Shapes: x [… × K], y [… × N]; s and z [⌈N/group⌉ × K].
public final class ColumnScaledLinear: LinearLayer {
  private struct Block {
    let matrix: InterleavedMatrix
    let steps: Tensor<Float>  // [K]
    let rows: Int
  }

  /// The codes and the grids.
  public let weight: QuantizedMatrix
  /// b, or nil.
  public let bias: Tensor<Float>?
  /// The largest relative error of an input's rounding; 0 for the precision of floats.
  public var tolerance: Float
  private let blocks: [Block]

  /// A layer over a matrix [N × K] in groups of outputs; nil for others.
  public init?(_ weight: QuantizedMatrix, bias: Tensor<Float>?, tolerance: Float) {
    guard case .outputGroups(let size) = weight.scheme.granularity, weight.shape.count > 0 else {
      return nil
    }
    self.weight = weight
    self.bias = bias
    self.tolerance = tolerance
    let (rows, columns) = (weight.shape[0], weight.shape[1])
    var blocks: [Block] = []
    for (index, start) in stride(from: 0, to: rows, by: size).enumerated() {
      let range = start..<min(start + size, rows)
      let zeros = weight.zeroPoints?.sliced(index..<index + 1, axis: 0)
      var words = weight.words.sliced(range, axis: 0)
      if let zeros {
        let row = PackedRows.packing(zeros, bits: weight.scheme.grid.bits)
        words = Tensor.concatenating([words, row], axis: 0)
      }
      let packed = PackedRows(
        bits: weight.scheme.grid.bits,
        columnCount: columns,
        groupSize: columns,
        words: words,
        scales: Tensor([1], shape: [1, 1]),
        zeros: zeros == nil ? nil : Tensor([0], shape: [1, 1])
      )
      guard let matrix = InterleavedMatrix(packed) else { return nil }
      let steps = weight.stepSizes.sliced(index..<index + 1, axis: 0).reshaped(to: [columns])
      blocks.append(Block(matrix: matrix, steps: steps, rows: range.count))
    }
    self.blocks = blocks
  }

  /// K.
  public var inputWidth: Int { weight.shape[1] }
  /// N.
  public var outputWidth: Int { weight.shape[0] }

  /// x Ŵᵀ + b; x [… × K], result [… × N].
  public func callAsFunction(_ input: Tensor<Float>) -> Tensor<Float> {
    let x = weight.inputOrder.map { input.taking($0, axis: -1) } ?? input
    let parts = blocks.map { block in
      let sums = block.matrix.product(with: x * block.steps, tolerance: tolerance)
      guard block.matrix.shape[0] > block.rows else { return sums }
      let zeros = sums.sliced(block.rows..<block.rows + 1, axis: -1)
      return sums.sliced(0..<block.rows, axis: -1) - zeros
    }
    let result = parts.count == 1 ? parts[0] : Tensor.concatenating(parts, axis: -1)
    return bias.map { result + $0 } ?? result
  }

  /// x Ŵᵀ + b with the gradient of x; x [… × K], result [… × N].
  public func callAsFunction(_ input: Variable) -> Variable {
    let weight = weight
    return .custom(self(input.value), input: input) { gradient in
      weight.inputGradient(gradient)
    }
  }

  /// The rows `indices` of Ŵ as floats.
  public func weightRows(_ indices: [Int32]) -> Tensor<Float> { weight.rows(indices) }
}
