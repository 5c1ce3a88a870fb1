extension Tensor where Element == Double {
  /// The matrix product op(self) · op(other) in double precision, for references and small algebra.
  ///
  /// Shapes, broadcasting and vectors are those of the float product. Each element is summed in the
  /// order of the inner axis.
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
          target.baseAddress?.fill(0, count: target.count)
          guard let a = left.baseAddress, let b = right.baseAddress, let c = target.baseAddress,
            target.count > 0, plan.k > 0
          else { return }
          plan.forEachProduct { i, j, to in plan.addProduct(a + i, b + j, c + to) }
        }
      }
    }
  }
}

extension MatrixProductPlan {
  /// C += op(A) · op(B), a block of inner indices at a time so that the rows of B stay in cache.
  fileprivate func addProduct(
    _ a: UnsafePointer<Double>,
    _ b: UnsafePointer<Double>,
    _ c: UnsafeMutablePointer<Double>
  ) {
    let (stepI, stepP) = transposesLeft ? (1, m) : (k, 1)
    for first in stride(from: 0, to: k, by: 64) {
      let end = min(first + 64, k)
      for i in 0..<m {
        let row = c + i * n
        if transposesRight {
          for j in 0..<n {
            var sum = row[j]
            for p in first..<end { sum += a[i * stepI + p * stepP] * b[j * k + p] }
            row[j] = sum
          }
        } else {
          for p in first..<end {
            let factor = a[i * stepI + p * stepP]
            let from = b + p * n
            for j in 0..<n { row[j] += factor * from[j] }
          }
        }
      }
    }
  }
}
