import Tensor
import TestSupport
import Testing

/// Which units of 32 activations are rounded again, and what their products are then.
@Suite struct InterleavedRemainderTests {
  /// Rows of activations of every kind that rounding meets.
  private enum Rows: CaseIterable {
    /// No unit is worse than another.
    case normal
    /// One number towers above a row.
    case oneOutlier
    /// Sizes of units grow, so that the worst are found among many.
    case growing
    /// One number towers above each unit.
    case allBad
    /// Nothing but zeros in most units.
    case mostlyZero

    func draw(_ count: Int, _ columns: Int, _ generator: inout Philox) -> Tensor<Float> {
      var values = Tensor<Float>.normal([count, columns], using: &generator).elements
      for row in 0..<count {
        // Every third row is as those of other kinds.
        let outlier = generator.integer(below: columns)
        for column in 0..<columns where row % 3 != 2 {
          let at = row * columns + column
          switch self {
          case .normal: break
          case .oneOutlier: if column == outlier { values[at] = 300 }
          case .growing: values[at] *= Float(1 + column / 32) * Float(1 + column % 5)
          case .allBad: if column % 32 == outlier % 32 { values[at] = -70 }
          case .mostlyZero: if column / 32 != outlier / 32 { values[at] = 0 }
          }
        }
      }
      return Tensor(values, shape: [count, columns])
    }
  }

  private static let tolerances: [Float] = [0.02, 0.01, 0.007, 1e-3, 1e-4, 1e-6, 0]

  // MARK: - The choice by its definition

  /// How often units are rounded again: those with the largest error first, as few as are needed.
  private static func expected(
    _ steps: [Float],
    share: Double,
    square: Double,
    tolerance: Float
  ) -> Int {
    var errors = steps.map { Double($0) * Double($0) * share }.sorted(by: >)
    let (gain, budget) = (254.0 * 254, Double(tolerance) * Double(tolerance) * square)
    var result = 0
    for _ in 1..<3 {
      var sum = errors.reduce(0, +)
      if sum <= budget { break }
      if sum / gain > budget {
        result += errors.count { $0 > 0 }
        errors = errors.map { $0 / gain }
        continue
      }
      for error in errors where sum > budget {
        sum -= error * (1 - 1 / gain)
        result += 1
      }
      break
    }
    return result
  }

  /// Of rows that become codes, or tables of the signed sums of quads.
  private static func expected(_ x: Tensor<Float>, tables: Bool, tolerance: Float) -> Int {
    let (count, columns, values) = (x.shape[0], x.shape[1], x.elements)
    return (0..<count).reduce(0) { total, row in
      var (steps, square): ([Float], Double) = ([], 0)
      for first in stride(from: 0, to: columns, by: 32) {
        let unit = values[row * columns + first..<row * columns + min(first + 32, columns)]
        let quads = stride(from: unit.startIndex, to: unit.endIndex, by: 4).map { start in
          unit[start..<min(start + 4, unit.endIndex)].reduce(Float(0)) { $0 + abs($1) }
        }
        let largest = (tables ? quads : unit.map(abs)).max() ?? 0
        let step = largest / 127
        steps.append(step)
        for value in unit where largest > 0 {
          let rounded = (value * (127 / largest)).rounded(.toNearestOrEven) * step
          square += Double(tables ? value : rounded) * Double(tables ? value : rounded)
        }
      }
      let share = (tables ? 8 : 32) / 12.0
      return total + expected(steps, share: share, square: square, tolerance: tolerance)
    }
  }

  private static func packed(
    bits: Int,
    rows: Int,
    columns: Int,
    groupSize: Int,
    _ generator: inout Philox
  ) -> PackedRows {
    let drawn = (0..<rows * columns).map { _ in UInt8(generator.integer(below: 1 << bits)) }
    let shape: Shape = [rows, (columns + groupSize - 1) / groupSize]
    return PackedRows(
      bits: bits,
      columnCount: columns,
      groupSize: groupSize,
      words: PackedRows.packing(Tensor(drawn, shape: [rows, columns]), bits: bits),
      scales: .uniform(shape, from: 0.01, to: 0.02, using: &generator),
      zeros: Tensor((0..<shape.count).map { Float($0 % (1 << bits)) }, shape: shape)
    )
  }

  /// One row, a few, a tile and more, and several blocks; a panel's columns and more.
  @Test(
    arguments: [2, 3, 4, 8],
    [(9, 96, 32), (24, 331, 1000), (17, 1100, 64), (8, 1600, 96), (16, 2432, 1152)]
  )
  func theFewestUnitsAreRoundedAgain(bits: Int, extents: (Int, Int, Int)) throws {
    let (rows, columns, groupSize) = extents
    var generator = Philox(seed: UInt64(bits * 10_000 + columns))
    let packed = Self.packed(
      bits: bits,
      rows: rows,
      columns: columns,
      groupSize: groupSize,
      &generator
    )
    let matrix = try #require(InterleavedMatrix(packed))
    let w = packed.rows((0..<Int32(rows)).map { $0 })
    for count in [1, 3, 5, 70] {
      for kind in Rows.allCases {
        let x = kind.draw(count, columns, &generator)
        for tolerance in Self.tolerances {
          let name = "\(kind), \(count) rows, tolerance \(tolerance)"
          let tables = bits == 2 && count < 4
          let found = matrix.repeatedRoundings(of: x, tolerance: tolerance)
          #expect(found == Self.expected(x, tables: tables, tolerance: tolerance), "\(name)")
          let y = matrix.product(with: x, tolerance: tolerance)
          Self.check(y, x, w, tolerance: tolerance, lookUp: tables, name)
        }
      }
    }
  }

  /// Every output within √3 of its expectation: ‖x‖ · tolerance · ‖w‖, and roundings of floats.
  private static func check(
    _ found: Tensor<Float>,
    _ x: Tensor<Float>,
    _ w: Tensor<Float>,
    tolerance: Float,
    lookUp: Bool,
    _ comment: String
  ) {
    func exactly(_ values: Tensor<Float>) -> Tensor<Double> {
      Tensor(values.elements.map { Double($0) }, shape: values.shape)
    }
    let exact = exactly(x).matmul(exactly(w), transposingOther: true)
    func norms(_ rows: Tensor<Float>) -> [Double] {
      (0..<rows.shape[0]).map { row in
        rows[row].elements.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
      }
    }
    let (inputs, outputs, sums) = (norms(x), norms(w), exact.elements)
    // The sums of four products of 3/2 steps are rounded at once, where products are looked up.
    let scale = lookUp ? 2.0 : 1
    var worst = 0.0
    for (index, value) in found.elements.enumerated() {
      let size = inputs[index / outputs.count] * outputs[index % outputs.count]
      let bound = (Double(tolerance) * 3.0.squareRoot() * scale + 4e-6) * size + 1e-30
      let error = abs(Double(value) - sums[index])
      worst = max(worst, error.isNaN ? Double.infinity : error / bound)
    }
    #expect(worst <= 1, "\(comment): \(worst) of the bound")
  }

  /// Rounded again or not, and by whichever thread: the same bits.
  @Test(arguments: [2, 3, 4, 8]) func threadsDoNotMatter(bits: Int) throws {
    let before = WorkPool.threadCount
    defer { WorkPool.threadCount = before }
    var generator = Philox(seed: UInt64(bits))
    let packed = Self.packed(bits: bits, rows: 520, columns: 1100, groupSize: 64, &generator)
    let matrix = try #require(InterleavedMatrix(packed))
    for count in [1, 3, 130] {
      for kind in Rows.allCases {
        let x = kind.draw(count, 1100, &generator)
        let results = [1, 2].map { threads in
          WorkPool.threadCount = threads
          return matrix.product(with: x, tolerance: 0.005)
        }
        #expect(results[0] == results[1])
        // A row's result does not depend on those beside it, as long as they are many.
        guard count == 130 else { continue }
        let some = matrix.product(with: x.sliced(64..<130, axis: 0), tolerance: 0.005)
        #expect(some == results[0].sliced(64..<130, axis: 0))
      }
    }
  }

  @Test func zerosAreRoundedOnce() throws {
    var generator = Philox(seed: 3)
    let packed = Self.packed(bits: 4, rows: 9, columns: 96, groupSize: 32, &generator)
    let matrix = try #require(InterleavedMatrix(packed))
    for count in [1, 6] {
      #expect(matrix.repeatedRoundings(of: .zeros([count, 96]), tolerance: 0) == 0)
    }
  }
}
