import Tensor

// Sums along rows, in eight lanes of floats; rows are shared out to threads, each row is one sum in
// a fixed order.

extension Tensor where Element == Float {
  /// ‖a_i − b_i‖² of each row.
  func rowSquaredDistances(to other: Tensor) -> [Float] {
    expect(shape == other.shape, "row distances: shapes differ, \(shape) · \(other.shape)")
    return rowValues { row, width in
      other.withUnsafeElements { squaredDistance(row.start, $0.row(row.index, width), width) }
    }
  }

  /// ‖a_i‖² of each row.
  func rowSquaredNorms() -> [Float] {
    rowValues { row, width in squaredNorm(row.start, width) }
  }

  /// A value of each row, computed on all threads.
  func rowValues(_ body: (_ row: MatrixRow, _ width: Int) -> Float) -> [Float] {
    let rows = shape[0]
    guard rows > 0 else { return [] }
    let width = count / rows
    return withUnsafeElements { elements in
      [Float](unsafeUninitializedCapacity: rows) { values, initialized in
        initialized = rows
        nonisolated(unsafe) let values = values
        WorkPool.forEachRange(count: rows, grain: Swift.max(1, 32_768 / Swift.max(width, 1))) {
          for index in $0 {
            values[index] = body(MatrixRow(index: index, start: elements.row(index, width)), width)
          }
        }
      }
    }
  }
}

/// One row of a matrix.
struct MatrixRow {
  let index: Int
  let start: UnsafeRawPointer
}

extension UnsafeBufferPointer<Float> {
  /// Where a row begins.
  func row(_ index: Int, _ width: Int) -> UnsafeRawPointer {
    guard let baseAddress else { fatalError("row of an empty matrix") }
    return UnsafeRawPointer(baseAddress + index * width)
  }
}

func squaredDistance(_ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ count: Int) -> Float {
  var lanes = SIMD8<Float>()
  for index in 0..<count / 8 {
    let d =
      a.loadUnaligned(fromByteOffset: index * 32, as: SIMD8<Float>.self)
      - b.loadUnaligned(fromByteOffset: index * 32, as: SIMD8<Float>.self)
    lanes += d * d
  }
  var sum = lanes.sum()
  for index in count / 8 * 8..<count {
    let d =
      a.load(fromByteOffset: index * 4, as: Float.self)
      - b.load(fromByteOffset: index * 4, as: Float.self)
    sum += d * d
  }
  return sum
}

func squaredNorm(_ a: UnsafeRawPointer, _ count: Int) -> Float {
  var lanes = SIMD8<Float>()
  for index in 0..<count / 8 {
    let x = a.loadUnaligned(fromByteOffset: index * 32, as: SIMD8<Float>.self)
    lanes += x * x
  }
  var sum = lanes.sum()
  for index in count / 8 * 8..<count {
    let x = a.load(fromByteOffset: index * 4, as: Float.self)
    sum += x * x
  }
  return sum
}

extension [Float] {
  /// Scores as users get them: where numbers overflowed, the sample is as novel as can be.
  var soundScores: [Float] {
    map { $0.isFinite ? $0 : .greatestFiniteMagnitude }
  }
}
