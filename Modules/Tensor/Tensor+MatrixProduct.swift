import CKernels

extension Tensor where Element == Float {
  /// The matrix product op(self) · op(other), where op transposes on demand without a copy.
  ///
  /// - Shapes: op(self) [M × K], op(other) [K × N], result [M × N].
  public func matmul(
    _ other: Tensor,
    transposingSelf: Bool = false,
    transposingOther: Bool = false
  ) -> Tensor {
    expect(
      rank == 2 && other.rank == 2,
      "matmul: two matrices are needed, \(shape) · \(other.shape)"
    )
    let (m, k) = transposingSelf ? (shape[1], shape[0]) : (shape[0], shape[1])
    let (inner, n) =
      transposingOther
      ? (other.shape[1], other.shape[0]) : (other.shape[0], other.shape[1])
    expect(
      k == inner,
      "matmul: inner extents differ, \(shape)\(transposingSelf ? "ᵀ" : "") · "
        + "\(other.shape)\(transposingOther ? "ᵀ" : "")"
    )
    return withUnsafeElements { left in
      other.withUnsafeElements { right in
        Tensor(uninitialized: [m, n]) { target in
          guard let to = target.baseAddress, m > 0, n > 0 else { return }
          guard let a = left.baseAddress, let b = right.baseAddress, k > 0 else {
            target.initialize(repeating: 0)
            return
          }
          ck_sgemm(
            transposingSelf,
            transposingOther,
            m,
            n,
            k,
            a,
            shape[1],
            b,
            other.shape[1],
            0,
            to,
            n
          )
        }
      }
    }
  }
}
