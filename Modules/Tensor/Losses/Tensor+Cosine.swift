import CKernels

extension Tensor where Element == Float {
  /// x · y / (|x| |y|) along the last axis.
  ///
  /// - Parameters:
  ///   - other: y.
  ///   - epsilon: the least that |x| and |y| count for.
  /// - Returns: cosines of -1 ... 1.
  /// - Shapes: self and other [… × N], result […].
  public func cosineSimilarity(to other: Tensor, epsilon: Float = 1e-8) -> Tensor {
    expect(
      rank > 0 && shape == other.shape,
      "cosine similarity: shapes differ, \(shape) · \(other.shape)"
    )
    let width = shape[-1]
    return Tensor(uninitialized: shape.droppingLast) { out in
      guard let to = out.baseAddress else { return }
      forEachRange(count: out.count, grain: rowGrain(width: width)) { rows in
        let (row, first) = (rows.lowerBound, rows.lowerBound * width)
        ck_cosine_rows(rows.count, width, start + first, other.start + first, epsilon, to + row)
      }
      withExtendedLifetime((storage, other.storage)) {}
    }
  }

  /// The gradient of x in x.cosineSimilarity(to: y).
  ///
  /// - Shapes: self and other [… × N], gradient […], result [… × N].
  package func cosineGradient(to other: Tensor, epsilon: Float, _ gradient: Tensor) -> Tensor {
    let width = shape[-1]
    return Tensor(uninitialized: shape) { out in
      guard let to = out.baseAddress, count > 0 else { return }
      forEachRange(count: gradient.count, grain: rowGrain(width: width)) { rows in
        let (row, first) = (rows.lowerBound, rows.lowerBound * width)
        let (x, y, g) = (start + first, other.start + first, gradient.start + row)
        ck_cosine_gradient_rows(rows.count, width, x, y, epsilon, g, to + first)
      }
      withExtendedLifetime((storage, other.storage, gradient.storage)) {}
    }
  }
}
