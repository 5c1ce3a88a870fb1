import Tensor
import TestSupport
import Testing

/// Products of interleaved matrices against sums in Double over the codes as they were drawn.
@Suite struct InterleavedMatrixTests {
  /// A matrix by its definition.
  struct Oracle {
    let values: Tensor<Double>  // [N × K]
    let norms: [Double]

    init(rows: Int, columns: Int, _ value: (_ row: Int, _ column: Int) -> Double) {
      var all: [Double] = []
      for row in 0..<rows { all += (0..<columns).map { value(row, $0) } }
      values = Tensor(all, shape: [rows, columns])
      norms = (0..<rows).map { row in
        all[row * columns..<(row + 1) * columns].reduce(0) { $0 + $1 * $1 }.squareRoot()
      }
    }

    /// Checks x Wᵀ + b to `share` of ‖x‖ · (‖w‖ + `more`), and a few roundings of floats.
    func check(
      _ found: Tensor<Float>,
      _ x: Tensor<Float>,
      bias: Tensor<Float>? = nil,
      share: Double,
      more: Double = 0,
      _ comment: String
    ) {
      let (count, columns, rows) = (x.shape[0], values.shape[1], values.shape[0])
      guard found.shape == [count, rows] else {
        Issue.record("\(comment): shape \(found.shape)")
        return
      }
      let exact = Tensor<Double>(x.elements.map(Double.init), shape: x.shape)
      let sums = exact.matmul(values, transposingOther: true).elements
      let (inputs, results, biases) = (exact.elements, found.elements, bias?.elements ?? [])
      for index in 0..<count {
        let row = inputs[index * columns..<(index + 1) * columns]
        let length = row.reduce(0) { $0 + $1 * $1 }.squareRoot()
        for place in 0..<rows {
          let sum = sums[index * rows + place] + (biases.isEmpty ? 0 : Double(biases[place]))
          let error = abs(Double(results[index * rows + place]) - sum)
          let size = length * norms[place]
          let bound = share * (size + length * more) + 4e-6 * (size + abs(sum)) + 1e-30
          if !(error <= bound) {
            Issue.record("\(comment): row \(index), output \(place): \(error) above \(bound)")
            return
          }
        }
      }
    }
  }

  static let inputCounts = [1, 3, 6, 66]

  static func codes(
    _ rows: Int,
    _ columns: Int,
    bits: Int,
    _ generator: inout Philox
  ) -> Tensor<UInt8> {
    let count = rows * columns
    let values = (0..<count).map { _ in UInt8(generator.integer(below: 1 << bits)) }
    return Tensor(values, shape: [rows, columns])
  }

  /// How scales and zero points come: each needs another storage.
  enum Kind: CaseIterable {
    case halves, halvesAndZeros, floats, floatsAndZeros, fractions, one
  }

  static func packed(
    bits: Int,
    rows: Int,
    columns: Int,
    groupSize: Int,
    _ kind: Kind,
    _ generator: inout Philox
  ) -> (PackedRows, Oracle) {
    let groups = kind == .one ? 1 : (columns + groupSize - 1) / groupSize
    let shape: Shape = kind == .one ? [1, 1] : [rows, groups]
    let codes = codes(rows, columns, bits: bits, &generator)
    var scales = Tensor<Float>.uniform(shape, from: 0.01, to: 0.02, using: &generator)
    if kind == .halves || kind == .halvesAndZeros {
      scales = Tensor(converting: Tensor<Float16>(converting: scales))
    }
    let drawn = (0..<shape.count).map { _ in Float(generator.integer(below: 1 << bits)) }
    let zeros: Tensor<Float>? =
      switch kind {
      case .halves, .floats, .one: nil
      case .halvesAndZeros, .floatsAndZeros: Tensor(drawn, shape: shape)
      case .fractions: Tensor(drawn.map { $0 + 0.25 }, shape: shape)
      }
    let packed = PackedRows(
      bits: bits,
      columnCount: columns,
      groupSize: groupSize,
      words: PackedRows.packing(codes, bits: bits),
      scales: scales,
      zeros: zeros
    )
    let (allCodes, allScales, allZeros) = (codes.elements, scales.elements, zeros?.elements)
    let oracle = Oracle(rows: rows, columns: columns) { row, column in
      let group = kind == .one ? 0 : row * groups + column / groupSize
      let zero = allZeros.map { $0[group] } ?? Float(1 << (bits - 1))
      let code = Float(allCodes[row * columns + column])
      return Double(allScales[group]) * Double(code - zero)
    }
    return (packed, oracle)
  }

  /// 32-column units, short last groups and units, rows that fill no band.
  @Test(arguments: 1...8, [(37, 96, 32), (16, 200, 64), (33, 331, 1000), (9, 576, 128)])
  func productsOfGridsMatchTheOracle(bits: Int, extents: (Int, Int, Int)) throws {
    let (rows, columns, groupSize) = extents
    var generator = Philox(seed: UInt64(bits * 1000 + columns))
    for kind in Kind.allCases {
      let (packed, oracle) = Self.packed(
        bits: bits,
        rows: rows,
        columns: columns,
        groupSize: groupSize,
        kind,
        &generator
      )
      let matrix = try #require(InterleavedMatrix(packed))
      #expect(matrix.shape == [rows, columns])
      let all = (0..<Int32(rows)).map { $0 }
      // One rounding of scale · zero and one of the sum, where they are stored as floats.
      expectClose(matrix.rows(all), packed.rows(all), absolute: 2e-6)
      let bias = Tensor<Float>.normal([rows], using: &generator)
      for count in Self.inputCounts {
        let x = Tensor<Float>.normal([count, columns], using: &generator)
        for tolerance: Float in [0.05, 1e-4, 0] {
          let found = matrix.product(with: x, bias: bias, tolerance: tolerance)
          // |Σ w e| ≤ ‖w‖ ‖e‖. Look-ups of two bits round sums of four products of 3/2 steps at most.
          let share = Double(tolerance)
          let lookUp = bits <= 2 ? 0.02 * 1.5 * Double(columns / 4 + 1).squareRoot() : 0
          oracle.check(
            found,
            x,
            bias: bias,
            share: share,
            more: lookUp,
            "\(bits) bits, \(kind), \(count) rows, tolerance \(tolerance)"
          )
        }
      }
    }
  }

  @Test(arguments: 1...6, [(40, 96, 32), (33, 331, 1000), (70, 576, 128)])
  func productsOfSignsMatchTheOracle(planes: Int, extents: (Int, Int, Int)) throws {
    let (rows, columns, groupSize) = extents
    var generator = Philox(seed: UInt64(planes * 1000 + columns))
    let groups = (columns + groupSize - 1) / groupSize
    let codes = Self.codes(rows, columns, bits: planes, &generator)
    let (allCodes, width) = (codes.elements, BinaryRows.wordCount(columns: columns))
    var words = [Int32](repeating: 0, count: rows * planes * width)
    for row in 0..<rows {
      for column in 0..<columns {
        for plane in 0..<planes {
          let bit = Int32(allCodes[row * columns + column] >> UInt8(plane) & 1)
          words[(row * planes + plane) * width + column / 32] |= bit << Int32(column % 32)
        }
      }
    }
    for (isHalf, hasOffsets) in [(true, true), (false, true), (true, false)] {
      func rounded(_ values: Tensor<Float>) -> Tensor<Float> {
        isHalf ? Tensor(converting: Tensor<Float16>(converting: values)) : values
      }
      let drawn = Tensor<Float>.uniform(
        [rows, groups, planes],
        from: -0.1,
        to: 0.2,
        using: &generator
      )
      let scales = rounded(drawn)
      let offsets = rounded(.normal([rows, groups], using: &generator))
      let binary = BinaryRows(
        planeCount: planes,
        columnCount: columns,
        groupSize: groupSize,
        words: Tensor(words, shape: [rows, planes, width]),
        scales: scales,
        offsets: hasOffsets ? offsets : nil
      )
      let (allScales, allOffsets) = (scales.elements, offsets.elements)
      let oracle = Oracle(rows: rows, columns: columns) { row, column in
        let group = row * groups + column / groupSize
        let code = allCodes[row * columns + column]
        return (0..<planes).reduce(hasOffsets ? Double(allOffsets[group]) : 0) { sum, plane in
          let scale = Double(allScales[group * planes + plane])
          return sum + (code >> UInt8(plane) & 1 == 1 ? scale : -scale)
        }
      }
      let matrix = try #require(InterleavedMatrix(binary))
      let all = (0..<Int32(rows)).map { $0 }
      expectClose(matrix.rows(all), binary.rows(all), absolute: 2e-6)
      for count in [1, 3, 5, 35, 70] {
        let x = Tensor<Float>.normal([count, columns], using: &generator)
        for tolerance: Float in [0.05, 1e-4, 0] {
          oracle.check(
            matrix.product(with: x, tolerance: tolerance),
            x,
            share: Double(min(tolerance, 0.0223)) * 3.0.squareRoot(),
            more: 0.2 * Double(planes) * Double(columns / 4 + 1).squareRoot(),
            "\(planes) planes, \(count) rows, tolerance \(tolerance)"
          )
        }
      }
    }
  }

  /// Groups of 256 with integer scales for 32 or 16 columns.
  @Test(arguments: [3, 4, 5, 6], [256, 512, 1024])
  func productsOfSuperBlocksMatchTheOracle(bits: Int, columns: Int) {
    var generator = Philox(seed: UInt64(columns))
    let hasOffsets = bits == 4 || bits == 5
    let scales = hasOffsets ? InterleavedMatrix.Scales.q4K : .q6K
    let rows = 19
    let (groups, units) = (columns / 256, columns / 32)
    let codes = Self.codes(rows, columns, bits: bits, &generator).elements
    func halves() -> [Float] {
      (0..<rows * groups).map { _ in Float(Float16(0.01 + 0.01 * generator.uniform())) }
    }
    let (d, m) = (halves(), halves())
    func small(_ count: Int, below bound: Int) -> [UInt8] {
      (0..<count).map { _ in UInt8(generator.integer(below: bound)) }
    }
    let s = small(rows * units * 2, below: hasOffsets ? 64 : 256)
    let t = small(rows * units, below: 64)
    let oracle = Oracle(rows: rows, columns: columns) { row, column in
      let (group, code) = (row * groups + column / 256, Double(codes[row * columns + column]))
      if hasOffsets {
        let unit = row * units + column / 32
        return Double(d[group]) * Double(s[unit]) * code - Double(m[group]) * Double(t[unit])
      }
      let scale = Double(Int8(bitPattern: s[row * units * 2 + column / 16]))
      return Double(d[group]) * scale * (code - (bits == 3 ? 4 : 32))
    }
    let matrix = InterleavedMatrix(
      shape: [rows, columns],
      codes: .bits(bits),
      scales: scales,
      groupSize: 256
    ) { range, band in
      for (place, row) in range.enumerated() {
        for column in 0..<columns {
          band.codes[place * columns + column] = codes[row * columns + column]
        }
        for group in 0..<groups {
          band.scales[place * groups + group] = d[row * groups + group]
          band.offsets[place * groups + group] = m[row * groups + group]
        }
        let each = hasOffsets ? units : 2 * units
        for unit in 0..<each { band.unitScales[place * each + unit] = s[row * each + unit] }
        for unit in 0..<units { band.unitOffsets[place * units + unit] = t[row * units + unit] }
      }
    }
    let found = matrix.rows((0..<Int32(rows)).map { $0 })
    let values = Tensor(oracle.values.elements.map { Float($0) }, shape: [rows, columns])
    expectClose(found, values, absolute: 2e-5)
    for count in Self.inputCounts {
      let x = Tensor<Float>.normal([count, columns], using: &generator)
      for tolerance: Float in [0.05, 1e-4, 0] {
        oracle.check(
          matrix.product(with: x, tolerance: tolerance),
          x,
          share: Double(tolerance),
          "\(bits) bits, \(count) rows, tolerance \(tolerance)"
        )
      }
    }
  }

  /// Numbers that all round down: what 8 bits leave is far above its expectation, and all that W looks at.
  @Test(arguments: [3, 4, 8]) func theToleranceHoldsAtWorst(bits: Int) throws {
    var generator = Philox(seed: 9)
    let columns = 1024
    let (packed, _) = Self.packed(
      bits: bits,
      rows: 16,
      columns: columns,
      groupSize: 64,
      .halves,
      &generator
    )
    let matrix = try #require(InterleavedMatrix(packed))
    let rows = matrix.rows((0..<16).map { $0 })
    for count in [1, 5] {
      // In each unit of 32 two numbers of 127 and thirty of 0.499, which is just below half of a step.
      let values = (0..<count * columns).map { $0 % 32 < 2 ? Float(127) : 0.499 }
      let x = Tensor(values, shape: [count, columns])
      let found = matrix.product(with: x, tolerance: 0.01)
      #expect(matrix.repeatedRoundings(of: x, tolerance: 0.01) > 0)
      let size = (32.0 * (2 * 127 * 127 + 30 * 0.499 * 0.499)).squareRoot()
      for row in 0..<16 {
        let w = rows[row].elements.map { Double($0) }
        let exact = zip(w, values).reduce(0) { $0 + $1.0 * Double($1.1) }
        let norm = w.reduce(0) { $0 + $1 * $1 }.squareRoot()
        for index in 0..<count {
          #expect(abs(Double(found[index, row].item) - exact) <= 0.0101 * size * norm)
        }
      }
    }
  }

  /// One huge number in a unit leaves nothing of its neighbours in 8 bits.
  @Test(arguments: [2, 3, 4, 8]) func outliersTakeMorePasses(bits: Int) throws {
    var generator = Philox(seed: 7)
    let (packed, oracle) = Self.packed(
      bits: bits,
      rows: 24,
      columns: 128,
      groupSize: 64,
      .halves,
      &generator
    )
    let matrix = try #require(InterleavedMatrix(packed))
    for count in [1, 6] {
      var values = Tensor<Float>.normal([count, 128], using: &generator).elements
      // Not of all rows, so that only some are rounded twice.
      for index in stride(from: 0, to: count, by: 2) {
        for unit in 0..<4 { values[index * 128 + unit * 32 + 5] = 400 }
      }
      let x = Tensor(values, shape: [count, 128])
      for tolerance: Float in [0.005, 1e-3, 1e-5] {
        oracle.check(
          matrix.product(with: x, tolerance: tolerance),
          x,
          share: Double(tolerance) * (bits == 2 ? 3.0.squareRoot() : 1),
          more: bits == 2 ? 0.17 : 0,
          "\(bits) bits, \(count) rows, tolerance \(tolerance)"
        )
      }
    }
  }

  @Test(arguments: [2, 3, 4, 8], [Float(1e-30), 1e-10, 1e10, 1e30])
  func sizesOfActivationsDoNotMatter(bits: Int, size: Float) throws {
    var generator = Philox(seed: 8)
    let (packed, oracle) = Self.packed(
      bits: bits,
      rows: 8,
      columns: 64,
      groupSize: 32,
      .halves,
      &generator
    )
    let matrix = try #require(InterleavedMatrix(packed))
    for count in [1, 5] {
      let x = Tensor<Float>.normal([count, 64], using: &generator)
      let found = matrix.product(with: x * size, tolerance: 0) / size
      oracle.check(found, x, share: 0, "\(bits) bits, size \(size)")
    }
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity], [2, 4, 8])
  func rowsThatAreNotFiniteGiveNaN(value: Float, bits: Int) throws {
    var generator = Philox(seed: 9)
    let (packed, _) = Self.packed(
      bits: bits,
      rows: 11,
      columns: 70,
      groupSize: 32,
      .floats,
      &generator
    )
    let matrix = try #require(InterleavedMatrix(packed))
    for count in [2, 7] {
      var values = [Float](repeating: 1, count: count * 70)
      values[70 + 69] = value
      let found = matrix.product(with: Tensor(values, shape: [count, 70]), tolerance: 0.05)
      #expect(found[1].elements.allSatisfy { $0.isNaN })
      #expect(found[0].elements.allSatisfy { $0.isFinite })
    }
  }

  @Test func zerosGiveTheBias() throws {
    var generator = Philox(seed: 10)
    let (packed, _) = Self.packed(
      bits: 4,
      rows: 11,
      columns: 70,
      groupSize: 32,
      .halvesAndZeros,
      &generator
    )
    let matrix = try #require(InterleavedMatrix(packed))
    let bias = Tensor<Float>.normal([11], using: &generator)
    #expect(matrix.product(with: .zeros([70]), bias: bias, tolerance: 0) == bias)
    let none = matrix.product(with: .zeros([0, 70]), bias: bias, tolerance: 0)
    #expect(none.shape == [0, 11])
  }

  /// Several matrices in one job, on one thread and on two: the bits of each alone.
  @Test func sharedProductsAreThoseOfEachMatrix() throws {
    let before = WorkPool.threadCount
    defer { WorkPool.threadCount = before }
    var generator = Philox(seed: 11)
    var matrices: [(matrix: InterleavedMatrix, bias: Tensor<Float>?)] = []
    for (bits, rows) in [(4, 520), (2, 300), (8, 130), (3, 64)] {
      let (packed, _) = Self.packed(
        bits: bits,
        rows: rows,
        columns: 640,
        groupSize: 128,
        .halves,
        &generator
      )
      let bias = bits == 4 ? Tensor<Float>.normal([rows], using: &generator) : nil
      matrices.append((try #require(InterleavedMatrix(packed)), bias))
    }
    for count in [1, 2, 130] {
      let x = Tensor<Float>.normal([count, 640], using: &generator)
      var results: [[Tensor<Float>]] = []
      for threads in [1, 2] {
        WorkPool.threadCount = threads
        results.append(InterleavedMatrix.products(of: x, with: matrices, tolerance: 0.02))
      }
      #expect(results[0] == results[1])
      for (index, item) in matrices.enumerated() {
        let alone = item.matrix.product(with: x, bias: item.bias, tolerance: 0.02)
        #expect(alone == results[0][index])
      }
    }
  }

  @Test func gradientsAreThoseOfTheValues() throws {
    var generator = Philox(seed: 12)
    let (packed, _) = Self.packed(
      bits: 4,
      rows: 300,
      columns: 96,
      groupSize: 32,
      .halves,
      &generator
    )
    let matrix = try #require(InterleavedMatrix(packed))
    let gradient = Tensor<Float>.normal([3, 300], using: &generator)
    expectClose(
      matrix.inputGradient(gradient),
      gradient.matmul(packed.rows((0..<300).map { $0 })),
      absolute: 1e-4
    )
  }

  @Test func groupsThatSplitUnitsAreRefused() {
    var generator = Philox(seed: 13)
    let (packed, _) = Self.packed(
      bits: 4,
      rows: 8,
      columns: 96,
      groupSize: 24,
      .halves,
      &generator
    )
    #expect(InterleavedMatrix(packed) == nil)
  }
}
