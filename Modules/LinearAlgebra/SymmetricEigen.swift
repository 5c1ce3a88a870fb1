import CLAPACK
public import Tensor

/// The eigenvalues and eigenvectors of a symmetric matrix, or of each in a stack: A·V = V·diag(w).
///
/// Eigenvectors are orthonormal, unique up to their sign, and up to a rotation where eigenvalues
/// repeat.
///
/// - Shapes: for A [… × n × n]: w [… × n], V [… × n × n]; for the largest k: [… × k], [… × n × k].
public struct SymmetricEigen<Element: LinearAlgebraScalar>: Sendable {
  /// The eigenvalues, ascending.
  public let values: Tensor<Element>
  /// The eigenvectors, column j for eigenvalue j.
  public let vectors: Tensor<Element>
}

extension Tensor where Element: LinearAlgebraScalar {
  /// The eigenvalues and eigenvectors of each symmetric matrix in the last two axes.
  ///
  /// Only the lower triangle is read. Computed in Double for both element types.
  ///
  /// - Shapes: self [… × n × n]; see `SymmetricEigen`.
  /// - Throws: `LinearAlgebraError.notFinite`, and `.notConverged`, which has no known input.
  /// - Source: LAPACK DSYEVD.
  /// - Complexity: O(n³).
  public func symmetricEigen() throws(LinearAlgebraError) -> SymmetricEigen<Element> {
    let loops = Element.lapack.loops
    let (values, vectors) = try loops.widen(self).symmetricEigen("symmetric eigen")
    return SymmetricEigen(
      values: loops.narrow(values),
      vectors: loops.narrow(vectors.transposingMatrices())
    )
  }

  /// The eigenvalues of each symmetric matrix in the last two axes, ascending.
  ///
  /// Only the lower triangle is read. Computed in Double.
  ///
  /// - Shapes: self [… × n × n], result [… × n].
  /// - Throws: as `symmetricEigen()`.
  public func symmetricEigenvalues() throws(LinearAlgebraError) -> Tensor {
    let loops = Element.lapack.loops
    let wide = loops.widen(self)
    return loops.narrow(
      try wide.symmetricEigen("symmetric eigenvalues", needsVectors: false).values
    )
  }

  /// The `count` largest eigenvalues of each symmetric matrix, ascending, and their eigenvectors.
  ///
  /// Only the lower triangle is read. Computed in Double. Saves most of the work on vectors, not
  /// that of bringing the matrix to tridiagonal form.
  ///
  /// - Shapes: self [… × n × n]; see `SymmetricEigen`.
  /// - Throws: as `symmetricEigen()`.
  /// - Source: LAPACK DSYEVR.
  public func symmetricEigen(
    largest count: Int
  ) throws(LinearAlgebraError) -> SymmetricEigen<Element> {
    let loops = Element.lapack.loops
    let stack = MatrixStack(square: shape, "symmetric eigen")
    expect(
      count >= 0 && count <= stack.rows,
      "symmetric eigen: the largest \(count) of \(stack.rows) eigenvalues, \(shape)"
    )
    let (values, vectors) = try loops.widen(self).largestEigen(count, stack)
    return SymmetricEigen(
      values: loops.narrow(values),
      vectors: loops.narrow(vectors.transposingMatrices())
    )
  }
}

extension Tensor where Element: LinearAlgebraScalar {
  /// Each matrix with rows and columns exchanged.
  func transposingMatrices() -> Tensor {
    let stack = MatrixStack(shape, "transpose")
    let target = FreshTensor<Element>(stack.result(stack.columns, stack.rows))
    withUnsafeElements { source in
      guard let start = source.baseAddress else { return }
      for position in 0..<stack.count {
        let offset = position * stack.size
        let transpose = Element.lapack.loops.transpose
        transpose(start + offset, stack.rows, stack.columns, target.elements + offset)
      }
    }
    return target.tensor
  }
}

extension Tensor<Double> {
  /// Eigenvalues, and the eigenvectors as rows; without `needsVectors` those rows mean nothing.
  func symmetricEigen(
    _ operation: String,
    needsVectors: Bool = true
  ) throws(LinearAlgebraError) -> (values: Tensor, vectors: Tensor) {
    let stack = MatrixStack(square: shape, operation)
    let n = stack.rows
    let (values, vectors) = (FreshTensor<Double>(stack.result(n)), FreshTensor<Double>(shape))
    try stack.forEach(self, operations: (needsVectors ? 9 : 2) * n * n * n) { source, position in
      if let problem = Double.lapack.nonFinite(source, rows: n, columns: n, part: .lower) {
        return problem
      }
      guard n > 0 else { return nil }
      let rows = vectors.elements + position * n * n
      rows.update(from: source, count: n * n)
      return problem(
        eigenInPlace(rows, n, values.elements + position * n, needsVectors: needsVectors)
      )
    }
    return (values.tensor, vectors.tensor)
  }

  fileprivate func largestEigen(
    _ count: Int,
    _ stack: MatrixStack
  ) throws(LinearAlgebraError) -> (values: Tensor, vectors: Tensor) {
    let n = stack.rows
    let values = FreshTensor<Double>(stack.result(count))
    let vectors = FreshTensor<Double>(stack.result(count, n))
    var operations: Int { 4 * n * n * n / 3 + 4 * n * n * count }
    try stack.forEach(self, operations: operations) { source, position in
      if let problem = Double.lapack.nonFinite(source, rows: n, columns: n, part: .lower) {
        return problem
      }
      guard count > 0 else { return nil }
      // DSYEVR needs room for all n eigenvalues, however few are asked for.
      return withScratch(n * n + n, of: Double.self) { copy in
        copy.update(from: source, count: n * n)
        let rows = vectors.elements + position * count * n
        let info = eigenOfLast(count, copy, n, copy + n * n, rows)
        (values.elements + position * count).update(from: copy + n * n, count: count)
        return problem(info)
      }
    }
    return (values.tensor, vectors.tensor)
  }
}

/// Replaces a symmetric matrix by its eigenvectors as rows.
///
/// The lower triangle of a row-major matrix is LAPACK's upper one.
private func eigenInPlace(
  _ matrix: UnsafeMutablePointer<Double>,
  _ extent: Int,
  _ values: UnsafeMutablePointer<Double>,
  needsVectors: Bool
) -> Int32? {
  let job: CChar = needsVectors ? .vectors : .none
  let n = Int32(extent)
  // What the routine documents, with vectors; where it overflows, so does the routine's own count.
  let integerCount = 3 + 5 * extent
  let least = 1 + 6 * extent + 2 * extent * extent
  guard !needsVectors || least <= Int(Int32.max) else { return nil }
  return withScratch(integerCount, of: Int32.self) { integers in
    Double.lapack.withWorkspace { work, count in
      let integerCount = count < 0 ? -1 : Int32(integerCount)
      return clapack_dsyevd(
        job,
        .upper,
        n,
        matrix,
        n,
        values,
        work,
        count,
        integers,
        integerCount
      )
    }
  }
}

/// Writes the `count` largest eigenvalues and their eigenvectors as rows; destroys the matrix.
private func eigenOfLast(
  _ count: Int,
  _ matrix: UnsafeMutablePointer<Double>,
  _ extent: Int,
  _ values: UnsafeMutablePointer<Double>,
  _ vectors: UnsafeMutablePointer<Double>
) -> Int32? {
  let n = Int32(extent)
  let supportCount = 2 * extent
  // What the routine documents: 10n.
  let integerCount = 10 * extent
  guard 26 * extent <= Int(Int32.max) else { return nil }
  return withScratch(supportCount + integerCount, of: Int32.self) { integers in
    Double.lapack.withWorkspace { work, workCount in
      clapack_dsyevr(
        .upper,
        n,
        matrix,
        n,
        n - Int32(count) + 1,
        n,
        values,
        vectors,
        n,
        integers,
        work,
        workCount,
        integers + supportCount,
        workCount < 0 ? -1 : Int32(integerCount)
      )
    }
  }
}
