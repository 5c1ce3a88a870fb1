import Tensor
import TestSupport
import Testing

@Suite struct BinaryRowsTests {
  /// Signs, scales and offsets of a matrix, and what they mean.
  private func example(
    planes: Int,
    columns: Int,
    groupSize: Int,
    hasOffsets: Bool,
    _ generator: inout Philox
  ) -> (rows: BinaryRows, dense: Tensor<Float>) {
    let (count, groups) = (9, (columns + groupSize - 1) / groupSize)
    let width = BinaryRows.wordCount(columns: columns)
    var words = [UInt32](repeating: 0, count: count * planes * width)
    let scales = Tensor<Float>.uniform([count, groups, planes], from: -1, to: 1, using: &generator)
    let offsets: Tensor<Float>? =
      hasOffsets ? .uniform([count, groups], from: -1, to: 1, using: &generator) : nil
    var values: [Float] = []
    for row in 0..<count {
      for column in 0..<columns {
        let group = row * groups + column / groupSize
        var value = offsets?.elements[group] ?? 0
        for plane in 0..<planes {
          let isPlus = generator.integer(below: 2) == 1
          if isPlus { words[(row * planes + plane) * width + column / 32] |= 1 << (column % 32) }
          value += (isPlus ? 1 : -1) * scales.elements[group * planes + plane]
        }
        values.append(value)
      }
    }
    let rows = BinaryRows(
      planeCount: planes,
      columnCount: columns,
      groupSize: groupSize,
      words: Tensor(words.map { Int32(bitPattern: $0) }, shape: [count, planes, width]),
      scales: scales,
      offsets: offsets
    )
    return (rows, Tensor(values, shape: [count, columns]))
  }

  @Test(arguments: [1, 2, 3, 8], [(100, 100), (100, 8), (67, 32), (96, 32), (5, 3)])
  func valuesAreOffsetsPlusSignedScales(planes: Int, size: (columns: Int, group: Int)) {
    var generator = Philox(seed: UInt64(planes))
    for hasOffsets in [false, true] {
      let (rows, dense) = example(
        planes: planes,
        columns: size.columns,
        groupSize: size.group,
        hasOffsets: hasOffsets,
        &generator
      )
      expectClose(rows.rows([8, 0, 3]), dense.rows([8, 0, 3]), absolute: 1e-6)
      for count in [1, 2, 7, 40] {
        let x = Tensor<Float>.normal([count, size.columns], using: &generator)
        let bias = Tensor<Float>.normal([9], using: &generator)
        let expected = x.matmul(dense, transposingOther: true)
        expectClose(rows.product(with: x, bias: nil), expected, absolute: 1e-4)
        expectClose(rows.product(with: x, bias: bias), expected + bias, absolute: 1e-4)
        let dy = Tensor<Float>.normal([count, 9], using: &generator)
        expectClose(rows.inputGradient(dy), dy.matmul(dense), absolute: 1e-4)
      }
    }
  }
}
