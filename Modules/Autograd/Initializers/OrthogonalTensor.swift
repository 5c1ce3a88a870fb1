import Tensor

/// A matrix with orthonormal rows or columns, whichever are fewer, times a gain.
///
/// Gaussian vectors, made orthogonal one after another by Gram and Schmidt's method in Double, each
/// twice so that no cancellation remains ("twice is enough", Kahan and Parlett). The result is spread
/// evenly over all such matrices, as that of a QR factorization with a positive diagonal.
///
/// - Complexity: O(longer side · shorter side²).
func orthogonalTensor(
  _ shape: Shape,
  gain: Float,
  using generator: inout Philox
) -> Tensor<Float> {
  expect(shape.rank >= 2, "orthogonal initializer: at least two axes are needed, found \(shape)")
  let (rows, columns) = (shape[0], shape.extents.dropFirst().reduce(1, *))
  let (count, width) = (min(rows, columns), max(rows, columns))
  let draws = Tensor<Float>.normal([count, width], using: &generator)
  var vectors = draws.elements.map(Double.init)
  vectors.withUnsafeMutableBufferPointer { vectors in
    for index in 0..<count {
      let vector = UnsafeMutableBufferPointer(
        rebasing: vectors[index * width..<(index + 1) * width]
      )
      for _ in 0..<2 {
        for other in 0..<index {
          let base = UnsafeBufferPointer(rebasing: vectors[other * width..<(other + 1) * width])
          subtractProjection(of: vector, on: base)
        }
      }
      let length = dot(UnsafeBufferPointer(vector), UnsafeBufferPointer(vector)).squareRoot()
      for place in vector.indices { vector[place] /= length }
    }
  }
  let scaled = Tensor(vectors.map { Float($0) * gain }, shape: [count, width])
  return (rows <= columns ? scaled : scaled.transposed()).reshaped(to: shape)
}

private func subtractProjection(
  of vector: UnsafeMutableBufferPointer<Double>,
  on base: UnsafeBufferPointer<Double>
) {
  let share = dot(UnsafeBufferPointer(vector), base)
  for place in vector.indices { vector[place] -= share * base[place] }
}

/// Four sums side by side: one alone would wait for every addition.
private func dot(_ a: UnsafeBufferPointer<Double>, _ b: UnsafeBufferPointer<Double>) -> Double {
  var sums = SIMD4<Double>()
  var place = 0
  while place + 4 <= a.count {
    let left = SIMD4<Double>(a[place], a[place + 1], a[place + 2], a[place + 3])
    let right = SIMD4<Double>(b[place], b[place + 1], b[place + 2], b[place + 3])
    sums += left * right
    place += 4
  }
  var sum = sums.sum()
  while place < a.count {
    sum += a[place] * b[place]
    place += 1
  }
  return sum
}
