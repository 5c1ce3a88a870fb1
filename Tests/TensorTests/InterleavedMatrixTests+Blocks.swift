import Tensor
import TestSupport
import Testing

// Blocks of outputs that scale their inputs.

extension InterleavedMatrixTests {
  private static func scaledBlocks(
    bits: Int,
    rows: Int,
    columns: Int,
    blockRows: Int,
    hasZeros: Bool,
    _ generator: inout Philox
  ) throws -> (InterleavedMatrix, Oracle) {
    let blocks = (rows + blockRows - 1) / blockRows
    let codes = codes(rows, columns, bits: bits, &generator)
    let scales = Tensor<Float>.uniform([blocks, columns], from: -1, to: 1, using: &generator)
    let zeros = hasZeros ? Self.codes(blocks, columns, bits: bits, &generator) : nil
    let packed = PackedRows(
      bits: bits,
      columnCount: columns,
      groupSize: columns,
      words: PackedRows.packing(codes, bits: bits),
      scales: Tensor([1], shape: [1, 1]),
      zeros: nil
    )
    let matrix = try #require(
      InterleavedMatrix(packed, blockRows: blockRows, scales: scales, zeros: zeros)
    )
    let (allCodes, allScales, allZeros) = (codes.elements, scales.elements, zeros?.elements)
    let oracle = Oracle(rows: rows, columns: columns) { row, column in
      let place = row / blockRows * columns + column
      let zero = allZeros.map { Double($0[place]) } ?? Double(1 << (bits - 1))
      return Double(allScales[place]) * (Double(allCodes[row * columns + column]) - zero)
    }
    return (matrix, oracle)
  }

  /// Blocks that fill no band, short last blocks, one block of all rows, short last units.
  @Test(
    arguments: 1...8,
    [(37, 96, 16), (64, 200, 64), (33, 331, 1000), (300, 64, 128), (5, 40, 1)]
  )
  func blocksThatScaleTheirInputsMatchTheOracle(bits: Int, extents: (Int, Int, Int)) throws {
    let (rows, columns, blockRows) = extents
    var generator = Philox(seed: UInt64(bits * 1000 + columns + 1))
    for hasZeros in [false, true] {
      let (matrix, oracle) = try Self.scaledBlocks(
        bits: bits,
        rows: rows,
        columns: columns,
        blockRows: blockRows,
        hasZeros: hasZeros,
        &generator
      )
      #expect(matrix.shape == [rows, columns])
      let all = matrix.rows((0..<Int32(rows)).map { $0 })
      let values = Tensor(oracle.values.elements.map { Float($0) }, shape: [rows, columns])
      expectClose(all, values, absolute: 1e-4)
      let bias = Tensor<Float>.normal([rows], using: &generator)
      for count in Self.inputCounts + [130] {
        let x = Tensor<Float>.normal([count, columns], using: &generator)
        oracle.check(
          matrix.product(with: x, bias: bias, tolerance: 0),
          x,
          bias: bias,
          share: 2e-6,
          more: Double(1 << bits) * Double(columns).squareRoot(),
          "\(bits) bits, \(count) rows, blocks of \(blockRows)"
        )
      }
    }
  }

  /// In each unit one input has a scale that towers above the others, and no output looks at it: what rounding
  /// leaves of the others must not hide behind it.
  @Test(arguments: [3, 4, 8], [Float(1), 30, 1000, 1e6])
  func inputsThatNoOutputLooksAtHideNothing(bits: Int, height: Float) throws {
    var generator = Philox(seed: UInt64(bits) + 60)
    let (rows, columns, blockRows) = (48, 192, 16)
    let blocks = rows / blockRows
    let zeros = Self.codes(blocks, columns, bits: bits, &generator)
    var codes = Self.codes(rows, columns, bits: bits, &generator).elements
    var scales = Tensor<Float>.uniform([blocks, columns], from: 0.5, to: 1, using: &generator)
      .elements
    for column in stride(from: 5, to: columns, by: 32) {
      for row in 0..<rows {
        codes[row * columns + column] = zeros.elements[row / blockRows * columns + column]
      }
      for block in 0..<blocks { scales[block * columns + column] = height }
    }
    let packed = PackedRows(
      bits: bits,
      columnCount: columns,
      groupSize: columns,
      words: PackedRows.packing(Tensor(codes, shape: [rows, columns]), bits: bits),
      scales: Tensor([1], shape: [1, 1]),
      zeros: nil
    )
    let matrix = try #require(
      InterleavedMatrix(
        packed,
        blockRows: blockRows,
        scales: Tensor(scales, shape: [blocks, columns]),
        zeros: zeros
      )
    )
    let (all, points) = (codes, zeros.elements)
    let oracle = Oracle(rows: rows, columns: columns) { row, column in
      let place = row / blockRows * columns + column
      return Double(scales[place]) * (Double(all[row * columns + column]) - Double(points[place]))
    }
    for count in [1, 6] {
      let x = Tensor<Float>.normal([count, columns], using: &generator)
      let found = matrix.product(with: x, tolerance: 0.01)
      // The tower stands in both sums, which are floats.
      let more = 1e-6 * Double(height) * Double(1 << bits)
      oracle.check(found, x, share: 0.01, more: more / 0.01, "\(bits) bits, \(height)")
    }
  }

  /// The sums of a block are those of its codes over the scaled input, the zero points' among them.
  @Test(arguments: [2, 3, 4, 8]) func blocksRoundTheScaledInput(bits: Int) throws {
    let before = WorkPool.threadCount
    defer { WorkPool.threadCount = before }
    var generator = Philox(seed: UInt64(bits) + 40)
    let (matrix, oracle) = try Self.scaledBlocks(
      bits: bits,
      rows: 200,
      columns: 320,
      blockRows: 64,
      hasZeros: true,
      &generator
    )
    let (other, _) = Self.packed(
      bits: 4,
      rows: 70,
      columns: 320,
      groupSize: 64,
      .halves,
      &generator
    )
    let uniform = try #require(InterleavedMatrix(other))
    for count in [1, 2, 5, 300] {
      let x = Tensor<Float>.normal([count, 320], using: &generator)
      // Look-ups bound the mean of squares only: ‖s ⊙ x‖ ≤ ‖x‖, and codes and zero points are below 2^bits.
      let more = bits == 2 ? Double(1 << bits) * 320.0.squareRoot() : 0
      var results: [[Tensor<Float>]] = []
      for threads in [1, 2] {
        WorkPool.threadCount = threads
        results.append(
          InterleavedMatrix.products(
            of: x,
            with: [(matrix, nil), (uniform, nil), (matrix, nil)],
            tolerance: 0.01
          )
        )
      }
      #expect(results[0] == results[1])
      #expect(results[0][0] == results[0][2])
      #expect(results[0][1] == uniform.product(with: x, tolerance: 0.01))
      let share = bits == 2 ? 0.03 : 0.01
      oracle.check(results[0][0], x, share: share, more: more, "\(bits) bits, \(count) rows")
    }
  }

  @Test func blocksKeepRowsThatAreNotFiniteApart() throws {
    var generator = Philox(seed: 50)
    let (matrix, _) = try Self.scaledBlocks(
      bits: 4,
      rows: 40,
      columns: 70,
      blockRows: 16,
      hasZeros: true,
      &generator
    )
    for count in [2, 7] {
      var values = [Float](repeating: 1, count: count * 70)
      values[70 + 69] = .infinity
      let found = matrix.product(with: Tensor(values, shape: [count, 70]), tolerance: 0.05)
      #expect(found[1].elements.allSatisfy { $0.isNaN })
      #expect(found[0].elements.allSatisfy { $0.isFinite })
    }
  }
}
