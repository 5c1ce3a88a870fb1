import Tensor

/// The element loops around LAPACK, compiled for one type.
struct MatrixLoops<Scalar: TensorElement>: Sendable {
  typealias Source = UnsafePointer<Scalar>
  typealias Target = UnsafeMutablePointer<Scalar>

  /// The index of the first NaN or infinity among `count` elements.
  let firstNonFinite: @Sendable (_ source: Source, _ count: Int) -> Int?
  /// Writes the transpose of a row-major matrix [rows × columns].
  let transpose: @Sendable (_ source: Source, _ rows: Int, _ columns: Int, _ target: Target) -> Void
  /// Exchanges the rows `first` and `second` of a matrix with `columns` columns.
  let swapRows: @Sendable (_ matrix: Target, _ first: Int, _ second: Int, _ columns: Int) -> Void
  /// Copies the lower triangle of a square matrix onto the upper one.
  let mirrorLower: @Sendable (_ matrix: Target, _ extent: Int) -> Void
  /// √Σ x², of `count` elements.
  let norm: @Sendable (_ source: Source, _ count: Int) -> Double
  let widen: @Sendable (Tensor<Scalar>) -> Tensor<Double>
  let narrow: @Sendable (Tensor<Double>) -> Tensor<Scalar>
}

extension MatrixLoops<Double> {
  static let double = MatrixLoops(
    firstNonFinite: { source, count in
      let mask = Double.infinity.bitPattern
      var block = 0
      while block < count {
        let end = min(block + 1024, count)
        var isBad = false
        for index in block..<end { isBad = (source[index].bitPattern & mask == mask) || isBad }
        if isBad { return (block..<end).first { !source[$0].isFinite } }
        block = end
      }
      return nil
    },
    transpose: transposeBlocks,
    swapRows: swapElements,
    mirrorLower: mirrorElements,
    norm: scaledNorm,
    widen: { $0 },
    narrow: { $0 }
  )
}

extension MatrixLoops<Float> {
  static let float = MatrixLoops(
    firstNonFinite: { source, count in
      let mask = Float.infinity.bitPattern
      var block = 0
      while block < count {
        let end = min(block + 1024, count)
        var isBad = false
        for index in block..<end { isBad = (source[index].bitPattern & mask == mask) || isBad }
        if isBad { return (block..<end).first { !source[$0].isFinite } }
        block = end
      }
      return nil
    },
    transpose: transposeBlocks,
    swapRows: swapElements,
    mirrorLower: mirrorElements,
    norm: { source, count in plainNorm(source, count, scale: 1) },
    widen: { tensor in
      tensor.withUnsafeElements { source in
        Tensor<Double>(uninitialized: tensor.shape) { target in
          for index in 0..<source.count { target[index] = Double(source[index]) }
        }
      }
    },
    narrow: { tensor in
      tensor.withUnsafeElements { source in
        Tensor<Float>(uninitialized: tensor.shape) { target in
          for index in 0..<source.count { target[index] = Float(source[index]) }
        }
      }
    }
  )
}

// Specialized where the tables above name them.

@inline(__always)
private func transposeBlocks<Scalar: TensorElement>(
  _ source: UnsafePointer<Scalar>,
  _ rows: Int,
  _ columns: Int,
  _ target: UnsafeMutablePointer<Scalar>
) {
  // Square blocks keep both sides in cache.
  let block = 16
  for rowStart in stride(from: 0, to: rows, by: block) {
    let rowEnd = min(rowStart + block, rows)
    for columnStart in stride(from: 0, to: columns, by: block) {
      for column in columnStart..<min(columnStart + block, columns) {
        let to = target + column * rows
        for row in rowStart..<rowEnd { to[row] = source[row * columns + column] }
      }
    }
  }
}

@inline(__always)
private func swapElements<Scalar: TensorElement>(
  _ matrix: UnsafeMutablePointer<Scalar>,
  _ first: Int,
  _ second: Int,
  _ columns: Int
) {
  let (a, b) = (matrix + first * columns, matrix + second * columns)
  for column in 0..<columns {
    let value = a[column]
    a[column] = b[column]
    b[column] = value
  }
}

@inline(__always)
private func mirrorElements<Scalar: TensorElement>(
  _ matrix: UnsafeMutablePointer<Scalar>,
  _ extent: Int
) {
  let block = 16
  for rowStart in stride(from: 0, to: extent, by: block) {
    let rowEnd = min(rowStart + block, extent)
    for columnStart in stride(from: 0, through: rowStart, by: block) {
      for row in rowStart..<rowEnd {
        for column in columnStart..<min(columnStart + block, row) {
          matrix[column * extent + row] = matrix[row * extent + column]
        }
      }
    }
  }
}

/// √Σ (x / scale)² in Double, eight sums side by side.
@inline(__always)
private func plainNorm<Scalar: BinaryFloatingPoint>(
  _ source: UnsafePointer<Scalar>,
  _ count: Int,
  scale: Double
) -> Double {
  var sums = SIMD8<Double>.zero
  var index = 0
  while index + 8 <= count {
    var values = SIMD8<Double>.zero
    for lane in 0..<8 { values[lane] = Double(source[index + lane]) }
    values /= scale
    sums += values * values
    index += 8
  }
  var sum = sums.sum()
  while index < count {
    let value = Double(source[index]) / scale
    sum += value * value
    index += 1
  }
  return sum.squareRoot()
}

/// The norm of doubles, whose squares may leave the range: then they are scaled by the largest.
private func scaledNorm(_ source: UnsafePointer<Double>, _ count: Int) -> Double {
  let norm = plainNorm(source, count, scale: 1)
  // Below 1e-150 squares start to lose digits.
  if norm.isNaN || norm > 1e-140 && norm < .infinity { return norm }
  var largest = 0.0
  for index in 0..<count { largest = max(largest, source[index].magnitude) }
  guard largest > 0, largest < .infinity else { return largest }
  return plainNorm(source, count, scale: largest) * largest
}
