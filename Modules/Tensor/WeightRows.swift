import CKernels

extension ck_rows {
  /// x Wᵀ + bias with the kernel of this storage.
  ///
  /// - Shapes: x [… × column_count], bias [row_count] or nil, result [… × row_count].
  func product(with input: Tensor<Float>, bias: Tensor<Float>?) -> Tensor<Float> {
    expect(
      input.rank > 0 && input.shape[-1] == column_count,
      "linear: inner extents differ, \(input.shape) · [\(row_count)×\(column_count)]ᵀ"
    )
    let count = input.shape.extents.dropLast().reduce(1, *)
    return input.withUnsafeElements { x in
      Tensor<Float>(uninitialized: input.shape.replacingLast(with: row_count)) { target in
        guard let from = x.baseAddress, let to = target.baseAddress, count > 0 else { return }
        withUnsafePointer(to: self) { matrix in
          if let bias {
            bias.withUnsafeElements { b in
              ck_linear(matrix, count, from, column_count, b.baseAddress, to, row_count)
            }
          } else {
            ck_linear(matrix, count, from, column_count, nil, to, row_count)
          }
        }
      }
    }
  }

  /// gradient · W, the gradient of the input of `product(with:bias:)`.
  ///
  /// - Shapes: gradient [… × row_count], result [… × column_count].
  func inputGradient(_ gradient: Tensor<Float>) -> Tensor<Float> {
    expect(
      gradient.rank > 0 && gradient.shape[-1] == row_count,
      "linear, backward: inner extents differ, \(gradient.shape) · [\(row_count)×\(column_count)]"
    )
    let count = gradient.shape.extents.dropLast().reduce(1, *)
    return gradient.withUnsafeElements { y in
      Tensor<Float>(uninitialized: gradient.shape.replacingLast(with: column_count)) { target in
        guard let from = y.baseAddress, let to = target.baseAddress, count > 0 else {
          target.update(repeating: 0)
          return
        }
        withUnsafePointer(to: self) { matrix in
          ck_linear_gradient(matrix, count, from, row_count, to, column_count)
        }
      }
    }
  }

  /// The rows `indices` as floats [indices.count × column_count].
  func expanded(_ indices: [Int32]) -> Tensor<Float> {
    Tensor<Float>(uninitialized: [indices.count, column_count]) { target in
      guard let to = target.baseAddress else { return }
      withUnsafePointer(to: self) { matrix in
        for (position, index) in indices.enumerated() {
          expect(
            index >= 0 && index < row_count,
            "rows: index \(index) of [\(row_count)×\(column_count)]"
          )
          ck_expand_row(matrix, Int(index), 0, column_count, to + position * column_count)
        }
      }
    }
  }
}
