import CKernels

extension Tensor where Element == Float {
  /// The matrix product op(self) · op(other), where op transposes on demand without a copy.
  ///
  /// Leading axes are batches and broadcast. A vector on the left is a row, one on the right a
  /// column; the result lacks its axis, and the flags have nothing to transpose.
  ///
  ///     x.matmul(w)                            // [B×T×K] · [K×N] = [B×T×N]
  ///     q.matmul(k, transposingOther: true)    // [B×H×T×d] · [B×1×S×d]ᵀ = [B×H×T×S]
  ///     a.matmul(b)                            // [K] · [K] = [], the dot product
  ///
  /// - Shapes: op(self) [… × M × K], op(other) [… × K × N], result [… × M × N].
  public func matmul(
    _ other: Tensor,
    transposingSelf: Bool = false,
    transposingOther: Bool = false
  ) -> Tensor {
    let plan = MatrixProductPlan("matmul", shape, other.shape, (transposingSelf, transposingOther))
    return withUnsafeElements { left in
      other.withUnsafeElements { right in
        Tensor(uninitialized: plan.result) { target in
          guard let to = target.baseAddress, target.count > 0 else { return }
          guard let a = left.baseAddress, let b = right.baseAddress, plan.k > 0 else {
            target.initialize(repeating: 0)
            return
          }
          plan.run(a, b, beta: 0, to)
        }
      }
    }
  }

  /// Adds the matrix product op(left) · op(right) in place: what a gradient does.
  ///
  /// When self is a matrix, the leading axes of both operands belong to their rows, and to the sum
  /// where those are what is summed over:
  ///
  ///     dW.accumulateProduct(dY, x, transposingLeft: true)   // [N×K] += [B×T×N]ᵀ · [B×T×K]
  ///
  /// With more axes, self must have the shape of `left.matmul(right)`.
  ///
  /// - Shapes: op(left) [… × M × K], op(right) [… × K × N], self [… × M × N].
  package mutating func accumulateProduct(
    _ left: Tensor,
    _ right: Tensor,
    transposingLeft: Bool = false,
    transposingRight: Bool = false
  ) {
    let isMatrix = rank == 2
    let plan = MatrixProductPlan(
      "accumulate product",
      isMatrix ? left.shape.foldingRows : left.shape,
      isMatrix ? right.shape.foldingRows : right.shape,
      (transposingLeft, transposingRight)
    )
    expect(
      plan.result == shape,
      "accumulate product: \(left.shape)\(transposingLeft ? "ᵀ" : "") · "
        + "\(right.shape)\(transposingRight ? "ᵀ" : "") does not go into \(shape)"
    )
    left.withUnsafeElements { left in
      right.withUnsafeElements { right in
        withUnsafeMutableElements { target in
          guard let a = left.baseAddress, let b = right.baseAddress, let c = target.baseAddress,
            plan.k > 0, target.count > 0
          else { return }
          plan.run(a, b, beta: 1, c)
        }
      }
    }
  }
}

extension Shape {
  /// The shape of a matrix whose rows are all the rows along the last axis.
  var foldingRows: Shape {
    guard rank > 2 else { return self }
    let width = self[-1]
    return [width > 0 ? count / width : extents.dropLast().reduce(1, *), width]
  }
}
