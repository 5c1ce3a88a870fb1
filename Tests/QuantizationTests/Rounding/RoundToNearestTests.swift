import Quantization
import Tensor
import TestSupport
import Testing

@Suite struct RoundToNearestTests {
  func scheme(
    bits: Int,
    symmetric: Bool = false,
    _ granularity: Granularity = .outputChannel,
    range: RangeEstimation = .minMax,
    scaleType: ScaleType = .float32
  ) throws -> WeightScheme {
    try WeightScheme(
      grid: QuantizationGrid(bits: bits, isSymmetric: symmetric),
      granularity: granularity,
      range: range,
      scaleType: scaleType
    )
  }

  @Test func asymmetricGridByHand() throws {
    // mn = −1, mx = 2, qmax = 3: s = 1, z = 1; codes clamp(round(w) + 1): 0.5 rounds to even, 0.
    let weight = Tensor<Float>([-1, 0.5, 1.5, 2], shape: [1, 4])
    let result = try RoundToNearest(scheme(bits: 2)).quantize(weight)
    #expect(result.matrix.stepSizes.elements == [1])
    #expect(result.matrix.zeroPoints?.elements == [1])
    #expect(result.matrix.codes().elements == [0, 1, 3, 3])
    #expect(result.matrix.dequantized().elements == [-1, 0, 2, 2])
    #expect(result.meanSquaredError == (0.25 + 0.25) / 4)
  }

  @Test func symmetricGridMirrorsOneSignedGroups() throws {
    // a = 3, s = 6/3 = 2, z = 2: 3/2 = 1.5 rounds to 2, code 4 is clamped to 3, value 2.
    let weight = Tensor<Float>([3, 1, 0, 2], shape: [1, 4])
    let result = try RoundToNearest(scheme(bits: 2, symmetric: true)).quantize(weight)
    #expect(result.matrix.zeroPoints == nil)
    #expect(result.matrix.stepSizes.elements == [2])
    #expect(result.matrix.codes().elements == [3, 2, 2, 3])
    #expect(result.matrix.dequantized().elements == [2, 0, 0, 2])
  }

  @Test func zeroRowsStayZero() throws {
    let weight = Tensor<Float>.zeros([3, 5])
    for symmetric in [false, true] {
      let result = try RoundToNearest(scheme(bits: 4, symmetric: symmetric)).quantize(weight)
      #expect(result.matrix.dequantized() == weight)
      #expect(result.meanSquaredError == 0)
    }
  }

  @Test func shortLastGroupHasItsOwnStep() throws {
    let weight = Tensor<Float>([0, 3, 0, 6, 0, 30], shape: [1, 6])
    let result = try RoundToNearest(scheme(bits: 2, .inputGroups(4))).quantize(weight)
    #expect(result.matrix.stepSizes.elements == [2, 10])
    // 3/2 = 1.5 rounds to even: 2 · 2 = 4.
    #expect(result.matrix.dequantized().elements == [0, 4, 0, 6, 0, 30])
  }

  @Test(arguments: [
    Granularity.tensor, .outputChannel, .inputGroups(7), .inputGroups(64), .outputGroups(4),
  ])
  func errorsStayWithinAStep(granularity: Granularity) throws {
    var generator = Philox(seed: 3)
    let weight = Tensor<Float>.normal([17, 45], deviation: 0.1, using: &generator)
    for bits in 1...8 {
      for symmetric in [false, true] {
        let scheme = try scheme(bits: bits, symmetric: symmetric, granularity)
        let matrix = try RoundToNearest(scheme).quantize(weight).matrix
        let (values, steps) = (matrix.dequantized().elements, matrix.stepSizes)
        for (index, (found, wanted)) in zip(values, weight.elements).enumerated() {
          let group =
            switch granularity {
            case .tensor: 0
            case .outputChannel: index / 45
            case .inputGroups(let size): index / 45 * steps.shape[1] + index % 45 / size
            case .outputGroups(let size): index / 45 / size * 45 + index % 45
            }
          // A symmetric grid has no code for +a: its largest value is one step short of it. The
          // zero point's own rounding may cost an asymmetric grid half a step at an end.
          let bound = steps.elements[group] * 1.0001
          #expect(abs(found - wanted) <= bound, "bits \(bits), element \(index)")
        }
      }
    }
  }

  @Test func meanSquaredErrorRangeIsNeverWorse() throws {
    var generator = Philox(seed: 9)
    let weight = Tensor<Float>.normal([16, 128], using: &generator)
    for bits in 1...8 {
      let plain = try RoundToNearest(scheme(bits: bits)).quantize(weight)
      let searched = try RoundToNearest(
        scheme(bits: bits, range: .meanSquaredError)
      ).quantize(weight)
      #expect(searched.meanSquaredError <= plain.meanSquaredError)
    }
    // At two bits the full range of a normal sample is far too wide: the search must pay.
    let plain = try RoundToNearest(scheme(bits: 2)).quantize(weight)
    let searched = try RoundToNearest(scheme(bits: 2, range: .meanSquaredError)).quantize(weight)
    #expect(searched.meanSquaredError < 0.8 * plain.meanSquaredError)
  }

  @Test func reportedErrorIsThatOfTheStoredMatrix() throws {
    var generator = Philox(seed: 4)
    let weight = Tensor<Float>.normal([9, 31], using: &generator)
    let result = try RoundToNearest(
      scheme(bits: 3, .inputGroups(8), scaleType: .float16)
    ).quantize(weight)
    let moved = zip(result.matrix.dequantized().elements, weight.elements).map { found, wanted in
      Double((found - wanted) * (found - wanted))
    }
    let mean = moved.reduce(0, +) / Double(moved.count)
    #expect(abs(result.meanSquaredError - mean) < 1e-6 * mean)
    for step in result.matrix.stepSizes.elements { #expect(Float(Float16(step)) == step) }
  }

  @Test func tinyStepsAreRoundedUpInHalfPrecision() throws {
    // 5e-6 / 255 lies below the smallest half-precision number, 2^-24: that one is taken, and no
    // weight moves by more than half of it.
    let weight = Tensor<Float>([1e-6, -2e-6, 3e-6, 0], shape: [1, 4])
    let matrix = try RoundToNearest(scheme(bits: 8, scaleType: .float16)).quantize(weight).matrix
    #expect(matrix.stepSizes.elements == [0x1p-24])
    for (found, wanted) in zip(matrix.dequantized().elements, weight.elements) {
      #expect(abs(found - wanted) <= 0x1p-25)
    }
  }

  @Test func stepsTooLargeForHalfPrecisionAreRefused() throws {
    let weight = Tensor<Float>([1e8, -1e8], shape: [1, 2])
    let rounding = try RoundToNearest(scheme(bits: 4, scaleType: .float16))
    #expect(throws: QuantizationError.notFinite(layer: "w", row: 0)) {
      try rounding.quantize(weight, layer: "w")
    }
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity])
  func notFiniteWeightsNameTheRow(value: Float) throws {
    var elements = [Float](repeating: 0.5, count: 12)
    elements[7] = value
    let weight = Tensor<Float>(elements, shape: [3, 4])
    let rounding = try RoundToNearest(scheme(bits: 4))
    #expect(throws: QuantizationError.notFinite(layer: "blocks.0.up", row: 1)) {
      try rounding.quantize(weight, layer: "blocks.0.up")
    }
  }

  @Test func overflowingRangeIsRefused() throws {
    let large = Float.greatestFiniteMagnitude
    let weight = Tensor<Float>([large, -large], shape: [1, 2])
    let rounding = try RoundToNearest(scheme(bits: 4))
    #expect(throws: QuantizationError.notFinite(layer: "w", row: 0)) {
      try rounding.quantize(weight, layer: "w")
    }
  }

  @Test(arguments: [-1, 0, 9, 64]) func bitsOutOfRangeAreRefused(bits: Int) {
    #expect(throws: QuantizationError.self) { try QuantizationGrid(bits: bits) }
  }

  @Test func emptyGroupsAreRefused() {
    #expect(throws: QuantizationError.self) {
      try WeightScheme(grid: QuantizationGrid(bits: 4), granularity: .inputGroups(0))
    }
  }

  @Test func productEqualsThatOfTheDequantizedMatrix() throws {
    var generator = Philox(seed: 5)
    let weight = Tensor<Float>.normal([33, 70], using: &generator)
    let bias = Tensor<Float>.normal([33], using: &generator)
    for count in [1, 2, 5, 40] {
      let input = Tensor<Float>.normal([count, 70], using: &generator)
      for bits in 1...8 {
        let matrix = try RoundToNearest(scheme(bits: bits, .inputGroups(32))).quantize(weight)
          .matrix
        let packed = PackedLinear(weight: matrix, bias: bias)(input)
        let dense = input.matmul(matrix.dequantized(), transposingOther: true)
        let wanted = dense.elements.enumerated().map { $1 + bias.elements[$0 % 33] }
        expectClose(packed.elements, wanted, relative: 1e-4, absolute: 1e-4)
      }
    }
  }

  /// The search gives candidates up early; the plain one, in its order, must find the same.
  @Test(arguments: [false, true], [2, 3, 4])
  func searchFindsWhatThePlainSearchFinds(symmetric: Bool, bits: Int) throws {
    var generator = Philox(seed: 31)
    let (rows, columns) = (5, 150)
    let weight = Tensor<Float>.normal([rows, columns], using: &generator)
    let scheme = try scheme(bits: bits, symmetric: symmetric, range: .flexRoundSearch)
    let matrix = try RoundToNearest(scheme).quantize(weight).matrix
    for row in 0..<rows {
      let values = Array(weight.elements[row * columns..<(row + 1) * columns])
      let (step, zero) = plainSearch(values, bits: bits, symmetric: symmetric)
      #expect(matrix.stepSizes.elements[row] == step, "row \(row)")
      if !symmetric { #expect(matrix.zeroPoints?.elements[row] == UInt8(zero), "row \(row)") }
    }
  }

  private func plainSearch(_ x: [Float], bits: Int, symmetric: Bool) -> (Float, Float) {
    let top = Float((1 << bits) - 1)
    let (low, high) = (min(x.min() ?? 0, 0), max(x.max() ?? 0, 0))
    let width = symmetric ? max(-low, high) : high - low
    var (best, bestError): ((Float, Float), Double) = ((0, 0), .infinity)
    for index in 1...100 {
      let reach = width / 100 * Float(index)
      for zero in 0...(symmetric ? 0 : Int(top)) {
        let delta = reach / top
        let mn = min(symmetric ? -reach : -Float(zero) * delta, 0)
        let mx = max(symmetric ? reach : reach - Float(zero) * delta, 0)
        let step = max((symmetric ? 2 * mx : mx - mn) / top, 1e-8)
        let point =
          symmetric
          ? (top + 1) / 2 : min(max(-(mn / step).rounded(.toNearestOrEven), 0), top)
        let error = x.reduce(0.0) { sum, value in
          let code = min(max((value / step).rounded(.toNearestOrEven) + point, 0), top)
          let moved = Double(abs(value - step * (code - point)))
          // |e|^2.4 = e² · (e²)^(1/5), the root by Newton's method.
          return sum + moved * moved * fifthRoot(moved * moved)
        }
        if error < bestError { (best, bestError) = ((step, point), error) }
      }
    }
    return best
  }

  private func fifthRoot(_ x: Double) -> Double {
    guard x > 0 else { return 0 }
    var root = max(x, 1)
    for _ in 0..<200 { root -= (root - x / (root * root * root * root)) / 5 }
    return root
  }
}
