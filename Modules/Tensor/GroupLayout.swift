import CKernels

/// How the elements of a matrix form rectangular groups, each with values of its own.
///
/// Element (r, c) belongs to group (r / rowsPerGroup, c / columnsPerGroup); the last groups of either
/// axis may be short.
package struct GroupLayout: Hashable, Sendable {
  package let rowCount: Int
  package let columnCount: Int
  package let rowsPerGroup: Int
  package let columnsPerGroup: Int

  package init(rowCount: Int, columnCount: Int, rowsPerGroup: Int, columnsPerGroup: Int) {
    self.rowCount = rowCount
    self.columnCount = columnCount
    self.rowsPerGroup = max(rowsPerGroup, 1)
    self.columnsPerGroup = max(columnsPerGroup, 1)
  }

  /// The groups along the rows of a column.
  package var rowGroups: Int { (rowCount + rowsPerGroup - 1) / rowsPerGroup }
  /// The groups along the columns of a row.
  package var columnGroups: Int { (columnCount + columnsPerGroup - 1) / columnsPerGroup }
  /// The shape of one value per group.
  package var shape: Shape { [rowGroups, columnGroups] }
  /// The shape of the matrix.
  package var matrixShape: Shape { [rowCount, columnCount] }

  /// The layout of the transposed matrix.
  package var transposed: GroupLayout {
    GroupLayout(
      rowCount: columnCount,
      columnCount: rowCount,
      rowsPerGroup: columnsPerGroup,
      columnsPerGroup: rowsPerGroup
    )
  }

  /// Values of groups repeated for every element; [groups] to [rows × columns].
  package func expanded(_ values: Tensor<Float>) -> Tensor<Float> {
    expect(values.shape == shape, "group layout: values \(values.shape), groups \(shape)")
    let width = columnGroups
    return values.withUnsafeElements { from in
      Tensor(uninitialized: matrixShape) { target in
        for row in 0..<rowCount {
          let (source, start) = (row / rowsPerGroup * width, row * columnCount)
          for column in 0..<columnCount {
            target[start + column] = from[source + column / columnsPerGroup]
          }
        }
      }
    }
  }

  /// Sums over the rows of each group of what each row has for its groups.
  ///
  /// - Shapes: `partial` [rows × columnGroups], result `shape`.
  package func summingRows(_ partial: Tensor<Float>) -> Tensor<Float> {
    if rowsPerGroup == 1 { return partial }
    let width = columnGroups
    var sums = [Double](repeating: 0, count: rowGroups * width)
    partial.withUnsafeElements { from in
      for row in 0..<rowCount {
        let target = row / rowsPerGroup * width
        for group in 0..<width { sums[target + group] += Double(from[row * width + group]) }
      }
    }
    return Tensor(sums.map { Float($0) }, shape: shape)
  }

  /// Σ over the columns of each group of a ⊙ b, row by row.
  ///
  /// - Shapes: a and b [R × columns], result [R × columnGroups].
  package func rowSums(of a: Tensor<Float>, times b: Tensor<Float>) -> Tensor<Float> {
    expect(
      a.shape == b.shape && a.rank == 2 && a.shape[1] == columnCount,
      "group layout: \(a.shape) · \(b.shape) for rows of \(columnCount)"
    )
    let width = columnGroups
    return a.withUnsafeElements { a in
      b.withUnsafeElements { b in
        Tensor(uninitialized: [a.count / max(columnCount, 1), width]) { target in
          guard let left = a.baseAddress, let right = b.baseAddress else { return }
          for index in target.indices {
            let first = index % width * columnsPerGroup
            let start = index / width * columnCount + first
            let count = min(columnsPerGroup, columnCount - first)
            target[index] = ck_dot(count, left + start, right + start)
          }
        }
      }
    }
  }
}
