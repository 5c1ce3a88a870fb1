import Tensor

extension SingularValues.Parts {
  /// The weight of a singular value, given the largest; zero ends the sum.
  typealias Weight = (_ value: Double, _ largest: Double) -> Double

  /// U·diag(f(S))·Vᵀ for each matrix, over the leading values whose f(S) is not zero.
  ///
  /// - Shapes: result [… × m × n].
  func product(_ factor: Weight) -> Tensor<Double> {
    let (m, n) = (stack.rows, stack.columns)
    return combined(stack.result(m, n), factor) { left, scaledRight, rank, target in
      RowMajor.multiply(left, scaledRight, (m, rank, n), into: target)
    }
  }

  /// V·diag(f(S))·Uᵀ for each matrix, over the leading values whose f(S) is not zero.
  ///
  /// - Shapes: result [… × n × m].
  func transposedProduct(_ factor: Weight) -> Tensor<Double> {
    let (m, n) = (stack.rows, stack.columns)
    return combined(stack.result(n, m), factor) { left, scaledRight, rank, target in
      RowMajor.multiply(scaledRight.transposed, left.transposed, (n, rank, m), into: target)
    }
  }

  /// A product of one matrix: U, the scaled rows of Vᵀ, their number, the result.
  private typealias Product = (RowMajor, RowMajor, Int, UnsafeMutablePointer<Double>) -> Void

  private func combined(
    _ shape: Shape,
    _ factor: Weight,
    _ multiply: Product
  ) -> Tensor<Double> {
    guard let left, let right else { fatalError("\(stack.operation): no vectors") }
    let target = FreshTensor<Double>(shape)
    let (m, n, k) = (stack.rows, stack.columns, values.shape[-1])
    let (leftStride, rightRows) = (left.shape[-1], right.shape[-2])
    LAPACKLibrary.start()
    LAPACKLibrary.prepareThread()
    withScratch(k * n, of: Double.self) { scaled in
      values.withUnsafeElements { values in
        left.withUnsafeElements { left in
          right.withUnsafeElements { right in
            guard let leftStart = left.baseAddress, let rightStart = right.baseAddress else {
              return
            }
            for position in 0..<stack.count {
              let spectrum = UnsafeBufferPointer(
                rebasing: values[position * k..<(position + 1) * k]
              )
              let rows = rightStart + position * rightRows * n
              let rank = scale(rows, n, by: spectrum, factor, into: scaled)
              let leftRows = leftStart + position * m * leftStride
              multiply(
                RowMajor(leftRows, stride: leftStride),
                RowMajor(scaled, stride: n),
                rank,
                target.elements + position * m * n
              )
            }
          }
        }
      }
    }
    return target.tensor
  }

  /// Writes the rows that have a weight, times their weight; returns their number.
  private func scale(
    _ rows: UnsafePointer<Double>,
    _ columns: Int,
    by spectrum: UnsafeBufferPointer<Double>,
    _ factor: Weight,
    into target: UnsafeMutablePointer<Double>
  ) -> Int {
    var rank = 0
    while rank < spectrum.count {
      let weight = factor(spectrum[rank], spectrum[0])
      if weight == 0 { break }
      for index in rank * columns..<(rank + 1) * columns { target[index] = rows[index] * weight }
      rank += 1
    }
    return rank
  }
}
