import Foundation
import Quantization
import Tensor
import TestSupport
import Testing

@Suite struct BinaryCodingTests {
  @Test func greedyPlanesByHand() throws {
    // mean|w| = 1.5, residual [1.5, 0.5, −1.5, 0.5], mean 1.
    let weight = Tensor<Float>([3, -1, 0, 2], shape: [1, 4])
    let matrix = try BinaryCoding.paper(planes: 2).quantize(weight)
    #expect(matrix.scales.elements == [1.5, 1])
    #expect(matrix.signs(plane: 0).elements == [1, -1, 1, 1])
    #expect(matrix.signs(plane: 1).elements == [1, 1, -1, 1])
    #expect(matrix.words.elements == [0b1101, 0b1011])
    #expect(matrix.dequantized().elements == [2.5, -0.5, 0.5, 2.5])
    #expect(matrix.meanSquaredError(from: weight) == 0.25)
    #expect(matrix.offsets == nil && matrix.groupSize == 4)
  }

  @Test func refinementByHand() throws {
    // Greedy: α = 11/3 and mean(8/3, 2/3, 10/3) = 20/9; 1 and 3 are (+, −), 7 is (+, +).
    // A = [[6, −2], [−2, 6]], v = [22, 6]: α = A⁻¹ v = (4.5, 2.5), codewords ±2 and ±7.
    let weight = Tensor<Float>([-1, 1, -3, 3, -7, 7], shape: [1, 6])
    let greedy = try BinaryCoding(planes: 2, rounds: 0).quantize(weight)
    expectClose(greedy.scales.elements, [11.0 / 3, 20.0 / 9], relative: 1e-6)
    for rounds in [1, 15] {
      let refined = try BinaryCoding(planes: 2, rounds: rounds).quantize(weight)
      expectClose(refined.scales.elements, [4.5, 2.5], absolute: 1e-5)
      expectClose(refined.dequantized().elements, [-2, 2, -2, 2, -7, 7], absolute: 1e-5)
    }
  }

  @Test(arguments: [0, 1, 15]) func onePlaneIsTheClosedForm(rounds: Int) throws {
    var generator = Philox(seed: 1)
    let weight = Tensor<Float>.normal([5, 33], using: &generator)
    let matrix = try BinaryCoding(planes: 1, groupSize: 11, rounds: rounds).quantize(weight)
    let means = weight.abs().reshaped(to: [15, 11]).mean(axes: 1)
    expectClose(matrix.scales.elements, means.elements, relative: 1e-6)
    #expect(matrix.signs(plane: 0).elements == weight.elements.map { $0 >= 0 ? 1 : -1 })
  }

  @Test(arguments: 1...8, [1, 2, 3, 5, 8, 16, 33, nil])
  func noRoundMakesTheErrorLarger(planes: Int, groupSize: Int?) throws {
    var generator = Philox(seed: 2)
    let weight = Tensor<Float>.normal([7, 67], using: &generator)
    var last = Double.infinity
    for rounds in 0...10 {
      let coding = try BinaryCoding(planes: planes, groupSize: groupSize, rounds: rounds)
      let error = try coding.quantize(weight).meanSquaredError(from: weight)
      // Scales are rounded to Float: that moves values by 10⁻⁷ of their size.
      #expect(error <= last * (1 + 1e-5) + 1e-13, "round \(rounds)")
      last = error
    }
  }

  /// Errors of normal weights in groups of 512, greedy and after 15 rounds, by another program.
  ///
  /// 2^18 weights scatter by 1 % or less (one standard deviation): the margin is three of them.
  @Test(arguments: [
    (1, 0.3645, 0.3645), (2, 0.1292, 0.1168), (3, 0.0574, 0.0358), (4, 0.032, 0.0116),
  ])
  func normalWeightsHaveTheKnownError(planes: Int, greedy: Double, refined: Double) throws {
    var generator = Philox(seed: 3)
    let weight = Tensor<Float>.normal([512, 512], using: &generator)
    for (rounds, expected) in [(0, greedy), (15, refined)] {
      let matrix = try BinaryCoding(planes: planes, rounds: rounds).quantize(weight)
      let error = matrix.meanSquaredError(from: weight)
      #expect(abs(error - expected) < 0.03 * expected, "\(rounds) rounds: \(error)")
    }
  }

  @Test(arguments: [0, 1, 15]) func zeroGroupsHaveZeroScales(rounds: Int) throws {
    var elements = [Float](repeating: 0, count: 32)
    elements.replaceSubrange(8..<16, with: [1, -2, 3, -4, 5, -6, 7, -8])
    let weight = Tensor(elements, shape: [2, 16])
    let matrix = try BinaryCoding(planes: 3, groupSize: 8, rounds: rounds).quantize(weight)
    let scales = matrix.scales.elements
    #expect(scales[0..<3].allSatisfy { $0 == 0 } && scales[6...].allSatisfy { $0 == 0 })
    #expect(scales[3] > 0)
    let values = matrix.dequantized().elements
    #expect(values[0..<8].allSatisfy { $0 == 0 } && values[16...].allSatisfy { $0 == 0 })
    // sign(0) = +1.
    #expect(matrix.codes().elements[16...].allSatisfy { $0 == 0b111 })
  }

  @Test func planesThatCoincideAreSound() throws {
    // Fewer weights than planes: A is singular in every round.
    for elements in [[1, 1, 1, 1, 1, 1, 1, 1], [1, -1, 1, -1, 1, -1, 1, -1] as [Float]] {
      let weight = Tensor(elements, shape: [1, 8])
      let matrix = try BinaryCoding(planes: 8).quantize(weight)
      expectClose(matrix.dequantized(), weight, absolute: 1e-6)
    }
    var generator = Philox(seed: 4)
    let weight = Tensor<Float>.normal([64, 6], using: &generator)
    for groupSize in [1, 2, 3] {
      let matrix = try BinaryCoding(planes: 6, groupSize: groupSize).quantize(weight)
      #expect(matrix.scales.elements.allSatisfy { $0.isFinite && $0 >= 0 })
      #expect(matrix.meanSquaredError(from: weight) < 1e-3)
    }
  }

  @Test func shortLastGroupIsAGroupOfItsOwn() throws {
    var generator = Philox(seed: 5)
    let weight = Tensor<Float>.normal([3, 45], using: &generator)
    let coding = try BinaryCoding(planes: 3, groupSize: 20)
    let matrix = try coding.quantize(weight)
    #expect(matrix.scales.shape == [3, 3, 3])
    let tail = try coding.quantize(weight.sliced(40..<45, axis: 1))
    #expect(matrix.scales.sliced(2..<3, axis: 1) == tail.scales)
    #expect(matrix.codes().sliced(40..<45, axis: 1) == tail.codes())
    // A group larger than the row is the row.
    let wide = try BinaryCoding(planes: 3, groupSize: 64).quantize(weight)
    let whole = try BinaryCoding(planes: 3).quantize(weight)
    #expect(wide.scales == whole.scales && wide.words == whole.words && wide.groupSize == 45)
  }

  @Test func powersOfTwoScaleExactly() throws {
    var generator = Philox(seed: 6)
    let weight = Tensor<Float>.normal([4, 64], using: &generator)
    let coding = try BinaryCoding(planes: 4, groupSize: 16)
    let (plain, large) = (try coding.quantize(weight), try coding.quantize(weight * 1024))
    #expect(large.words == plain.words && large.scales == plain.scales * 1024)
  }

  @Test func threadsChangeNoBit() throws {
    var generator = Philox(seed: 7)
    let weight = Tensor<Float>.normal([37, 300], using: &generator)
    let coding = try BinaryCoding(planes: 3, groupSize: 64)
    let before = WorkPool.threadCount
    defer { WorkPool.threadCount = before }
    WorkPool.threadCount = 1
    let one = try coding.quantize(weight)
    WorkPool.threadCount = 2
    let two = try coding.quantize(weight)
    #expect(one.words == two.words && one.scales == two.scales)
  }

  @Test(arguments: [(1, 3), (2, 7), (3, 17), (4, 31), (5, 8)])
  func equationsInPlainSwiftGiveTheSame(planes: Int, count: Int) throws {
    var generator = Philox(seed: UInt64(count))
    let weight = Tensor<Float>.normal([20, count], using: &generator)
    for rounds in [0, 1, 2, 6] {
      let matrix = try BinaryCoding(planes: planes, rounds: rounds).quantize(weight)
      for row in 0..<20 {
        let weights = weight.elements[row * count..<(row + 1) * count].map { Double($0) }
        let plain = PlainBinaryCoding(weights, planes: planes, rounds: rounds)
        let scales = matrix.scales.elements[row * planes..<(row + 1) * planes].map { Double($0) }
        expectClose(scales, plain.scales, absolute: 1e-5, "\(rounds) rounds, row \(row)")
        let values = matrix.rows([Int32(row)]).elements.map { Double($0) }
        expectClose(values, plain.values, absolute: 1e-4, "\(rounds) rounds, row \(row)")
      }
    }
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity])
  func notFiniteWeightsNameTheRow(value: Float) throws {
    var elements = [Float](repeating: 0.5, count: 12)
    elements[7] = value
    let weight = Tensor(elements, shape: [3, 4])
    #expect(throws: QuantizationError.notFinite(layer: "w", row: 1)) {
      try BinaryCoding(planes: 2, groupSize: 2).quantize(weight, layer: "w")
    }
  }

  @Test func settingsOutOfRangeAreRefused() throws {
    for planes in [-1, 0, 9] {
      #expect(throws: QuantizationError.self) { try BinaryCoding(planes: planes) }
      #expect(throws: QuantizationError.self) { try BinaryCoding.paper(planes: planes) }
    }
    #expect(throws: QuantizationError.self) { try BinaryCoding(planes: 2, groupSize: 0) }
    #expect(throws: QuantizationError.self) { try BinaryCoding(planes: 2, rounds: -1) }
    let coding = try BinaryCoding(planes: 3, groupSize: 128)
    let data = try JSONEncoder().encode(coding)
    #expect(try JSONDecoder().decode(BinaryCoding.self, from: data) == coding)
    let bad = Data(#"{"planes": 12, "rounds": 15}"#.utf8)
    #expect(throws: QuantizationError.self) {
      try JSONDecoder().decode(BinaryCoding.self, from: bad)
    }
  }

  @Test func emptyMatricesStayEmpty() throws {
    for shape in [[0, 8], [3, 0], [0, 0]] as [Shape] {
      let matrix = try BinaryCoding(planes: 2).quantize(.zeros(shape))
      #expect(matrix.shape == shape && matrix.meanSquaredError(from: .zeros(shape)) == 0)
    }
  }
}

/// The method as its equations say: every codeword tried, a dense solver.
private struct PlainBinaryCoding {
  var scales: [Double] = []
  var values: [Double] = []

  init(_ weights: [Double], planes: Int, rounds: Int) {
    var residual = weights
    var signs: [[Double]] = []
    for _ in 0..<planes {
      let scale = residual.reduce(0) { $0 + abs($1) } / Double(weights.count)
      let plane: [Double] = residual.map { $0 >= 0 ? 1 : -1 }
      for index in residual.indices { residual[index] -= scale * plane[index] }
      scales.append(scale)
      signs.append(plane)
    }
    for _ in 0..<rounds {
      solve(weights, signs)
      signs = nearest(weights)
    }
    values = weights.indices.map { place in
      (0..<planes).reduce(0) { $0 + scales[$1] * signs[$1][place] }
    }
  }

  /// Gauss-Jordan elimination of [A + ridge | v − A α]; the matrix is positive definite.
  private mutating func solve(_ weights: [Double], _ signs: [[Double]]) {
    func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
    var rows = signs.map { row in
      let entries = signs.map { dot(row, $0) }
      return entries + [dot(row, weights) - dot(entries, scales)]
    }
    for index in rows.indices {
      rows[index][index] += 1e-6 * Double(weights.count)
    }
    for pivot in rows.indices {
      rows[pivot] = rows[pivot].map { [divisor = rows[pivot][pivot]] in $0 / divisor }
      for other in rows.indices where other != pivot {
        let factor = rows[other][pivot]
        rows[other] = zip(rows[other], rows[pivot]).map { $0 - factor * $1 }
      }
    }
    scales = zip(scales, rows).map { abs($0 + ($1.last ?? 0)) }.sorted(by: >)
  }

  private func nearest(_ weights: [Double]) -> [[Double]] {
    let best = weights.map { weight in
      (0..<1 << scales.count).min { distance($0, weight) < distance($1, weight) } ?? 0
    }
    return scales.indices.map { plane in best.map { $0 >> plane & 1 == 1 ? 1 : -1 } }
  }

  private func distance(_ code: Int, _ weight: Double) -> Double {
    let value = scales.indices.reduce(0.0) {
      $0 + (code >> $1 & 1 == 1 ? scales[$1] : -scales[$1])
    }
    return abs(value - weight)
  }
}
