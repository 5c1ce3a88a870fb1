import CKernels

/// A function that a linear layer applies to its outputs while they are in cache.
public enum LinearActivation: Hashable, Sendable {
  /// x · sigmoid(x).
  case silu
  /// GELU by way of tanh.
  case geluTanh

  fileprivate var kernel: ck_map {
    switch self {
    case .silu: ck_silu
    case .geluTanh: ck_gelu_tanh
    }
  }
}

extension Tensor where Element == Float {
  /// x Wᵀ + bias.
  ///
  /// - Shapes: self [… × K], weight [N × K], bias [N] or nil, result [… × N].
  public func linear(weight: Tensor, bias: Tensor? = nil) -> Tensor {
    let result = Tensor(uninitialized: linearShape(weight, bias)) { _ in }
    multiplyLinear(weight, bias, nil, into: result, result)
    return result
  }

  /// activation(x Wᵀ + bias), and x Wᵀ + bias itself, which the gradient of the activation needs.
  ///
  /// - Shapes: self [… × K], weight [N × K], bias [N] or nil, results [… × N].
  package func linear(
    weight: Tensor,
    bias: Tensor?,
    keepingInputOf activation: LinearActivation
  ) -> (output: Tensor, input: Tensor) {
    let input = Tensor(uninitialized: linearShape(weight, bias)) { _ in }
    let output = Tensor(uninitialized: input.shape) { _ in }
    multiplyLinear(weight, bias, activation, into: input, output)
    return (output, input)
  }

  /// activation(x Wᵀ + bias), in one pass.
  ///
  /// - Shapes: self [… × K], weight [N × K], bias [N] or nil, result [… × N].
  public func linear(
    weight: Tensor,
    bias: Tensor? = nil,
    activation: LinearActivation
  ) -> Tensor {
    let result = Tensor(uninitialized: linearShape(weight, bias)) { _ in }
    multiplyLinear(weight, bias, activation, into: result, result)
    return result
  }

  private func linearShape(_ weight: Tensor, _ bias: Tensor?) -> Shape {
    expect(
      rank > 0 && weight.rank == 2 && weight.shape[1] == shape[-1],
      "linear: inner extents differ, \(shape) · \(weight.shape)ᵀ"
    )
    let biasShape = bias?.shape ?? [weight.shape[0]]
    expect(
      biasShape == [weight.shape[0]],
      "linear: the bias does not fit, \(biasShape) · \(weight.shape)ᵀ"
    )
    return rank == 2 ? [shape[0], weight.shape[0]] : shape.replacingLast(with: weight.shape[0])
  }

  /// Fills two tensors that nobody else has seen yet, or one that stands for both.
  private func multiplyLinear(
    _ weight: Tensor,
    _ bias: Tensor?,
    _ activation: LinearActivation?,
    into products: Tensor,
    _ activated: Tensor
  ) {
    var rows = ck_rows()
    rows.storage = CK_FLOAT32
    rows.row_count = weight.shape[0]
    rows.column_count = weight.shape[1]
    rows.row_stride = weight.shape[1]
    guard products.count > 0 else { return }
    rows.data = UnsafeRawPointer(weight.start)
    ck_linear_activated(
      &rows,
      products.count / rows.row_count,
      start,
      rows.column_count,
      bias?.start,
      activation?.kernel,
      products.start,
      rows.row_count,
      activated.start
    )
    withExtendedLifetime((self, weight, bias, products, activated)) {}
  }

  /// Adds the sum over all axes but the last in place: the gradient of a bias.
  ///
  /// Rows are summed in runs of 256, then the runs, in order.
  ///
  /// - Shapes: self [N], other [… × N].
  package mutating func accumulateColumnSums(of other: Tensor) {
    expect(
      rank == 1 && other.rank > 0 && other.shape[-1] == shape[0],
      "accumulate column sums: \(other.shape) does not go into \(shape)"
    )
    let width = shape[0]
    guard other.count > 0 else { return }
    let rows = other.count / width
    other.withUnsafeElements { source in
      withUnsafeMutableElements { target in
        guard let from = source.baseAddress, let to = target.baseAddress else { return }
        // Parts of whole cache lines that are long enough for the vectors.
        let grain = rows * width < vectorGrain ? width : min(width, 128)
        WorkPool.forEachRange(count: width, grain: grain) { columns in
          addColumnSums(rows, columns, width, from, to)
        }
      }
    }
  }
}

/// Adds the sums of some columns of a matrix of rows to `to`.
private func addColumnSums(
  _ rows: Int,
  _ columns: Range<Int>,
  _ width: Int,
  _ from: UnsafePointer<Float>,
  _ to: UnsafeMutablePointer<Float>
) {
  let (first, count) = (columns.lowerBound, columns.count)
  withUnsafeTemporaryAllocation(of: Float.self, capacity: count) { buffer in
    guard let run = buffer.baseAddress else { return }
    for start in stride(from: 0, to: rows, by: 256) {
      run.update(from: from + start * width + first, count: count)
      for row in start + 1..<max(min(start + 256, rows), start + 1) {
        ck_add(count, run, from + row * width + first, run)
      }
      ck_add(count, to + first, run, to + first)
    }
  }
}
