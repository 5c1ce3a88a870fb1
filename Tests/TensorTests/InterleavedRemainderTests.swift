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

  /// What rounding a unit once leaves, squared, and the bound of that after another time.
  private typealias UnitError = (first: Double, next: Double)

  /// How often units are rounded again: those with the largest error first, as few as are needed.
  ///
  /// Units with less than the part `least` of their bound have no error.
  private static func expected(_ units: [UnitError], budget: Double, least: Double) -> Int {
    let gain = 254.0 * 254
    var units = units.filter { $0.next > 0 && $0.first >= least * $0.next }
    var result = 0
    for _ in 1..<3 {
      var sum = units.reduce(0) { $0 + $1.first }
      if sum <= budget { break }
      if units.reduce(0, { $0 + $1.next }) > budget {
        result += units.count
        units = units.map { ($0.next, $0.next / gain) }
        continue
      }
      for unit in units.sorted(by: { $0.first > $1.first }) where sum > budget {
        sum += unit.next - unit.first
        result += 1
      }
      break
    }
    return result
  }

  /// What rounding a unit to codes leaves, or to tables of the signed sums of its quads.
  private static func error(of unit: ArraySlice<Float>, tables: Bool) -> UnitError {
    func rounded(_ value: Float, _ largest: Float) -> Double {
      let scaled = value * (127 / largest)
      let rest = Double(scaled - scaled.rounded(.toNearestOrEven))
      return rest * rest
    }
    let quads = stride(from: unit.startIndex, to: unit.endIndex, by: 4).map {
      Array(unit[$0..<min($0 + 4, unit.endIndex)])
    }
    let sizes = tables ? quads.map { $0.reduce(0) { $0 + abs($1) } } : unit.map(abs)
    guard let largest = sizes.max(), largest > 0 else { return (0, 0) }
    let step = Double(largest / 127) * Double(largest / 127)
    guard tables else {
      return (step * unit.reduce(0) { $0 + rounded($1, largest) }, step * 8 / (254 * 254))
    }
    var error = 0.0
    for quad in quads {
      let values = quad + [Float](repeating: 0, count: 4 - quad.count)
      for signs in 0..<16 {
        let terms = values.enumerated().map { signs >> $0 & 1 == 1 ? $1 : -$1 }
        error += rounded(((terms[0] + terms[1]) + terms[2]) + terms[3], largest) / 16
      }
    }
    return (step * error, step * 2 / (254 * 254))
  }

  /// The fewest and the most that roundings of floats on the way allow.
  private static func expected(
    _ x: Tensor<Float>,
    tables: Bool,
    tolerance: Float
  ) -> ClosedRange<Int> {
    let (count, columns, values) = (x.shape[0], x.shape[1], x.elements)
    var (least, most) = (0, 0)
    for row in (0..<count).map({ $0 * columns..<($0 + 1) * columns }) {
      let units = stride(from: row.lowerBound, to: row.upperBound, by: 32).map {
        error(of: values[$0..<min($0 + 32, row.upperBound)], tables: tables)
      }
      let square = values[row].reduce(0) { $0 + Double($1) * Double($1) }
      let budget = Double(tolerance) * Double(tolerance) * square
      // Whether the largest of a unit's values leaves nothing is a matter of the last bit.
      least += expected(units, budget: budget * 1.0001, least: 1e-5)
      most += expected(units, budget: budget / 1.0001, least: 0)
    }
    return least...most
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
          let expected = Self.expected(x, tables: tables, tolerance: tolerance)
          #expect(expected.contains(found), "\(name): \(found), not \(expected)")
          let y = matrix.product(with: x, tolerance: tolerance)
          Self.check(y, x, w, tolerance: tolerance, lookUp: tables, name)
        }
      }
    }
  }

  /// Every output within ‖x‖ · tolerance · ‖w‖, and roundings of floats.
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
    // Where sums of four are looked up the tolerance is that of the root of their mean square.
    let scale = lookUp ? 2.0 * 3.0.squareRoot() : 1
    var worst = 0.0
    for (index, value) in found.elements.enumerated() {
      let size = inputs[index / outputs.count] * outputs[index % outputs.count]
      let bound = (Double(tolerance) * scale + 4e-6) * size + 1e-30
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
