import Tensor
import TestSupport
import Testing

@Suite struct PackedRowsTests {
  private func codes(_ shape: Shape, bits: Int, _ generator: inout Philox) -> Tensor<UInt8> {
    let values = (0..<shape.count).map { _ in UInt8(generator.integer(below: 1 << bits)) }
    return Tensor(values, shape: shape)
  }

  /// The bit stream by its definition: bit j of code i is bit i·bits + j of the row.
  private func streamBit(_ words: ArraySlice<Int32>, _ position: Int) -> Int {
    let word = UInt32(bitPattern: words[words.startIndex + position / 32])
    return Int(word >> UInt32(position % 32) & 1)
  }

  @Test(arguments: 2...8, [1, 11, 32, 100])
  func codesFollowEachOtherInALittleEndianBitStream(bits: Int, columns: Int) {
    var generator = Philox(seed: UInt64(bits))
    let codes = codes([3, columns], bits: bits, &generator)
    let words = PackedRows.packing(codes, bits: bits)
    let width = (columns * bits + 31) / 32
    #expect(words.shape == [3, width])
    for row in 0..<3 {
      let stream = words[row].elements[...]
      for bit in 0..<width * 32 {
        let (column, offset) = (bit / bits, bit % bits)
        let code = column < columns ? Int(codes[row].elements[column]) : 0
        #expect(streamBit(stream, bit) == code >> offset & 1)
      }
    }
  }

  @Test(arguments: 2...8, [8, 32, 64, 100])
  func productsUseScaleTimesCodeMinusZero(bits: Int, groupSize: Int) {
    var generator = Philox(seed: 60)
    let (rows, columns) = (9, 100)
    let groups = (columns + groupSize - 1) / groupSize
    let codes = codes([rows, columns], bits: bits, &generator)
    let scales = Tensor<Float>.uniform([rows, groups], from: 0.1, to: 1, using: &generator)
    let zeros = Tensor<Float>(
      (0..<rows * groups).map { _ in Float(generator.integer(below: 1 << bits)) },
      shape: [rows, groups]
    )
    for zeros in [zeros, nil] {
      let packed = PackedRows(
        bits: bits,
        columnCount: columns,
        groupSize: groupSize,
        words: PackedRows.packing(codes, bits: bits),
        scales: scales,
        zeros: zeros
      )
      var values: [Float] = []
      for row in 0..<rows {
        for column in 0..<columns {
          let group = row * groups + column / groupSize
          let zero = zeros?.elements[group] ?? Float(1 << (bits - 1))
          let code = Float(codes.elements[row * columns + column])
          values.append(scales.elements[group] * (code - zero))
        }
      }
      let dense = Tensor(values, shape: [rows, columns])
      #expect(packed.codes() == codes)
      expectClose(packed.rows([8, 0, 3]), dense.rows([8, 0, 3]), relative: 1e-6)
      for inputs in [1, 2, 7] {
        let x = Tensor<Float>.normal([inputs, columns], using: &generator)
        let expected = x.matmul(dense, transposingOther: true)
        // Sums of 100 products of size up to 2^bits.
        let bound = 2e-6 * Float(100 << bits)
        expectClose(packed.product(with: x, bias: nil), expected, absolute: bound)
      }
      for gradients in [1, 3, 30] {
        let dy = Tensor<Float>.normal([gradients, rows], using: &generator)
        let bound = 2e-6 * Float(9 << bits)
        expectClose(packed.inputGradient(dy), dy.matmul(dense), absolute: bound)
      }
    }
  }

  @Test func oneScaleServesAllRows() {
    let codes = Tensor<UInt8>([0, 1, 2, 3, 3, 2, 1, 0], shape: [2, 4])
    let packed = PackedRows(
      bits: 2,
      columnCount: 4,
      groupSize: 4,
      words: PackedRows.packing(codes, bits: 2),
      scales: Tensor([0.5], shape: [1, 1]),
      zeros: nil
    )
    #expect(packed.rows([0, 1]).elements == [-1, -0.5, 0, 0.5, 0.5, 0, -0.5, -1])
    // [−1 − 1 + 0 + 2, 0.5 + 0 − 1.5 − 4]
    let product = packed.product(with: Tensor([1, 2, 3, 4]), bias: Tensor([10, 20]))
    #expect(product.elements == [10, 15])
  }

  /// More rows and columns than one block of the kernel, with a group that straddles its border.
  @Test(arguments: [1, 2]) func inputGradientsOfLargeMatricesMatchTheDenseOnes(threads: Int) {
    let before = WorkPool.threadCount
    defer { WorkPool.threadCount = before }
    WorkPool.threadCount = threads
    var generator = Philox(seed: 61)
    let (rows, columns) = (1300, 2500)
    let codes = codes([rows, columns], bits: 3, &generator)
    let scales = Tensor<Float>.uniform([rows, 25], from: 0.1, to: 1, using: &generator)
    let packed = PackedRows(
      bits: 3,
      columnCount: columns,
      groupSize: 100,
      words: PackedRows.packing(codes, bits: 3),
      scales: scales,
      zeros: nil
    )
    let dy = Tensor<Float>.normal([20, rows], using: &generator)
    let dense = packed.rows((0..<Int32(rows)).map { $0 })
    #expect(packed.inputGradient(dy) == dy.matmul(dense))
  }
}
