import CLAPACK
import Tensor

extension SingularValues.Parts {
  /// The weight of a singular value, given the largest; zero ends the sum.
  typealias Weight = (_ value: Double, _ largest: Double) -> Double

  /// U·diag(f(S))·Vᵀ for each matrix, over the leading values whose f(S) is not zero.
  ///
  /// - Shapes: result [… × m × n].
  func product(_ factor: Weight) -> Tensor<Double> {
    let (m, n) = (stack.rows, stack.columns)
    return combined(stack.result(m, n), factor) { left, leftStride, right, rank, target in
      // Row-major U·W is, column by column, Wᵀ·Uᵀ; both factors are stored as they are needed.
      clapack_dgemm(
        .none,
        .none,
        Int32(n),
        Int32(m),
        Int32(rank),
        right,
        Int32(max(n, 1)),
        left,
        Int32(max(leftStride, 1)),
        target,
        Int32(max(n, 1))
      )
    }
  }

  /// V·diag(f(S))·Uᵀ for each matrix, over the leading values whose f(S) is not zero.
  ///
  /// - Shapes: result [… × n × m].
  func transposedProduct(_ factor: Weight) -> Tensor<Double> {
    let (m, n) = (stack.rows, stack.columns)
    return combined(stack.result(n, m), factor) { left, leftStride, right, rank, target in
      clapack_dgemm(
        .transposed,
        .transposed,
        Int32(m),
        Int32(n),
        Int32(rank),
        left,
        Int32(max(leftStride, 1)),
        right,
        Int32(max(n, 1)),
        target,
        Int32(max(m, 1))
      )
    }
  }

  /// A product of one matrix: U, its stride, the scaled rows of Vᵀ, their number, the result.
  private typealias Product = (
    UnsafePointer<Double>, Int, UnsafePointer<Double>, Int, UnsafeMutablePointer<Double>
  ) -> Void

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
              let rows = rightStart + position * rightRows * n
              var rank = 0
              while rank < k {
                let weight = factor(values[position * k + rank], values[position * k])
                if weight == 0 { break }
                for column in 0..<n { scaled[rank * n + column] = rows[rank * n + column] * weight }
                rank += 1
              }
              let leftRows = leftStart + position * m * leftStride
              multiply(leftRows, leftStride, scaled, rank, target.elements + position * m * n)
            }
          }
        }
      }
    }
    return target.tensor
  }
}
