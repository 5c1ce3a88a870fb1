import CKernels

/// Updates of parts of matrices in place, over pointers: for algorithms that sweep over a matrix.
package enum MatrixUpdates {
  /// C += A · B for parts of larger matrices; strides are the distances of rows.
  ///
  /// - Shapes: A [m × k], B [k × n], C [m × n].
  package static func addProduct(
    rows m: Int,
    columns n: Int,
    inner k: Int,
    _ a: (start: UnsafePointer<Float>, stride: Int),
    _ b: (start: UnsafePointer<Float>, stride: Int),
    to c: (start: UnsafeMutablePointer<Float>, stride: Int)
  ) {
    guard m > 0, n > 0, k > 0 else { return }
    ck_sgemm(false, false, m, n, k, a.start, a.stride, b.start, b.stride, 1, c.start, c.stride)
  }

  /// y += factor · x.
  @inline(__always)
  package static func addScaled(
    _ x: UnsafePointer<Float>,
    by factor: Float,
    to y: UnsafeMutablePointer<Float>,
    count: Int
  ) {
    ck_add_scaled(count, x, factor, y)
  }
}
