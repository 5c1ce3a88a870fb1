import Tensor

extension Variable {
  /// The matrix product op(self) · op(other), where op transposes on demand without a copy.
  ///
  /// Leading axes are batches and broadcast; a vector on the left is a row, one on the right a
  /// column.
  ///
  ///     C = A · B      dA = dC · Bᵀ      dB = Aᵀ · dC
  ///
  /// - Shapes: op(self) [… × M × K], op(other) [… × K × N], result [… × M × N].
  public func matmul(
    _ other: Variable,
    transposingSelf: Bool = false,
    transposingOther: Bool = false
  ) -> Variable {
    // Vectors become matrices first, so that the gradients below meet matrices only.
    if rank == 1 || other.rank == 1 {
      return vectorProduct(other, transposingSelf, transposingOther)
    }
    let (a, b) = (value, other.value)
    let (ta, tb) = (transposingSelf, transposingOther)
    let product = a.matmul(b, transposingSelf: ta, transposingOther: tb)
    return Self.recorded(product, self, other) { gradient, inputs in
      inputs.passSummed(
        to: 0,
        ta
          ? b.matmul(gradient, transposingSelf: tb, transposingOther: true)
          : gradient.matmul(b, transposingOther: !tb)
      )
      guard b.rank == 2 && !ta else {
        inputs.passSummed(
          to: 1,
          tb
            ? gradient.matmul(a, transposingSelf: true, transposingOther: ta)
            : a.matmul(gradient, transposingSelf: !ta)
        )
        return
      }
      // One matrix for all batches: its gradient sums over their rows in one product.
      if tb {
        inputs.addProduct(to: 1, gradient, a)
      } else {
        inputs.addProduct(to: 1, a, gradient)
      }
    }
  }
}

extension Variable {
  /// A product with a vector on either side, as one of matrices.
  private func vectorProduct(
    _ other: Variable,
    _ transposingSelf: Bool,
    _ transposingOther: Bool
  ) -> Variable {
    let row = rank == 1 ? reshaped(to: [1, count]) : self
    let column = other.rank == 1 ? other.reshaped(to: [other.count, 1]) : other
    let product = row.matmul(
      column,
      transposingSelf: transposingSelf && rank > 1,
      transposingOther: transposingOther && other.rank > 1
    )
    let extents = product.shape.extents
    let batch = extents.dropLast(2)
    let rows = rank == 1 ? [] : [extents[extents.count - 2]]
    let columns = other.rank == 1 ? [] : [extents[extents.count - 1]]
    return product.reshaped(to: Shape(batch + rows + columns))
  }
}

/// The number of rows along the last axis.
func rowCount(_ x: Tensor<Float>) -> Int { x.shape.extents.dropLast().reduce(1, *) }

extension TapeInputs {
  /// Adds leftᵀ · right, summed over all leading axes, to the gradient of a matrix, in place.
  ///
  /// - Shapes: left [… × N], right [… × K], the input [N × K].
  func addProduct(to index: Int, _ left: Tensor<Float>, _ right: Tensor<Float>) {
    update(index) { target in
      guard target == nil else {
        target?.accumulateProduct(left, right, transposingLeft: true)
        return
      }
      let a = left.reshaped(to: [rowCount(left), left.shape[-1]])
      let b = right.reshaped(to: [rowCount(right), right.shape[-1]])
      target = a.matmul(b, transposingSelf: true)
    }
  }

  /// Adds left · right to the gradient of an input, in place where one has arrived already.
  ///
  /// - Shapes: left [… × N], right [N × K], the input [… × K].
  func addRowProduct(to index: Int, _ left: Tensor<Float>, _ right: Tensor<Float>) {
    update(index) { target in
      guard target == nil else {
        target?.accumulateProduct(left, right)
        return
      }
      target = left.matmul(right)
    }
  }
}
