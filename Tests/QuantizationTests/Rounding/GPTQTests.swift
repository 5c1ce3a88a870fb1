import Quantization
import Tensor
import TestSupport
import Testing

/// What GPTQ and AdaDim must do whatever the numbers.
@Suite struct GPTQTests {
  static let granularities: [Granularity] = [
    .tensor, .outputChannel, .inputGroups(16), .inputGroups(40), .inputGroups(7), .outputGroups(8),
    .outputGroups(5),
  ]

  func scheme(
    _ granularity: Granularity,
    bits: Int = 3,
    symmetric: Bool = false
  ) throws -> WeightScheme {
    try WeightScheme(
      grid: QuantizationGrid(bits: bits, isSymmetric: symmetric),
      granularity: granularity,
      scaleType: .float32
    )
  }

  func weight(_ shape: Shape, seed: UInt64 = 1) -> Tensor<Float> {
    var generator = Philox(seed: seed)
    return .normal(shape, deviation: 0.1, using: &generator)
  }

  /// Inputs whose columns depend on each other and differ in size.
  func inputs(_ rows: Int, _ width: Int, seed: UInt64 = 2) -> Tensor<Float> {
    var generator = Philox(seed: seed)
    let mix = Tensor<Float>.normal([width, width], deviation: 0.2, using: &generator)
    let x = Tensor<Float>.normal([rows, width], using: &generator)
    return x + x.matmul(mix)
  }

  func identity(_ width: Int) -> Tensor<Float> {
    var elements = [Float](repeating: 0, count: width * width)
    for index in 0..<width { elements[index * width + index] = 1 }
    return Tensor(elements, shape: [width, width])
  }

  /// Without cross terms no error is passed on, whatever the damping, the order and the blocks.
  @Test(arguments: granularities, GPTQ.Order.allCases)
  func identityGivesRoundToNearest(granularity: Granularity, order: GPTQ.Order) throws {
    let weight = weight([16, 40])
    let hessian = CalibrationHessian(identity(40))
    for groupGrids in GPTQ.GroupGrids.allCases {
      for symmetric in [false, true] {
        let scheme = try scheme(granularity, symmetric: symmetric)
        let method = GPTQ(order: order, groupGrids: groupGrids, blockSize: 16, damping: 0.3)
        let found = try method.quantize(weight, hessian: hessian, scheme: scheme)
        let nearest = try RoundToNearest(scheme).quantize(weight)
        #expect(found.matrix.dequantized() == nearest.matrix.dequantized())
        #expect(abs(found.report.meanSquaredError - nearest.meanSquaredError) < 1e-9)
      }
    }
  }

  @Test func outputsAreCloserThanThoseOfRoundToNearest() throws {
    var wins = 0
    for seed in 0..<20 {
      let (weight, inputs) = (
        weight([24, 40], seed: UInt64(seed)), inputs(96, 40, seed: UInt64(seed))
      )
      let hessian = CalibrationHessian(inputs)
      for granularity in Self.granularities {
        let scheme = try scheme(granularity)
        let found = try GPTQ(order: .activation).quantize(weight, hessian: hessian, scheme: scheme)
        let nearest = try RoundToNearest(scheme).quantize(weight)
        let error = AdaDim.outputError(of: found.matrix.dequantized(), for: weight, inputs: inputs)
        let other = AdaDim.outputError(
          of: nearest.matrix.dequantized(),
          for: weight,
          inputs: inputs
        )
        if error <= other { wins += 1 }
      }
    }
    // Of 140 layers; the margin is the specification's 95 %.
    #expect(wins >= 133)
  }

  /// Where blocks end must not matter but for rounding, when grids are fresh or fixed.
  @Test(arguments: granularities)
  func blocksDoNotMatter(granularity: Granularity) throws {
    let (weight, inputs) = (weight([16, 80]), inputs(200, 80))
    let hessian = CalibrationHessian(inputs)
    let scheme = try scheme(granularity, bits: 4)
    let whole = try GPTQ(blockSize: 80).quantize(weight, hessian: hessian, scheme: scheme)
    for blockSize in [1, 16, 33] {
      let parts = try GPTQ(blockSize: blockSize).quantize(weight, hessian: hessian, scheme: scheme)
      let differing = zip(whole.matrix.codes().elements, parts.matrix.codes().elements)
        .count { $0 != $1 }
      // A code whose weight lies at a border may fall to the other side, and others follow.
      #expect(differing <= 16 * 80 / 50, "blocks of \(blockSize)")
    }
  }

  @Test func codesOfAnOrderBelongToTheirInputs() throws {
    let (weight, inputs) = (weight([6, 40]), inputs(100, 40))
    let hessian = CalibrationHessian(inputs)
    let found = try GPTQ(order: .activation).quantize(
      weight,
      hessian: hessian,
      scheme: scheme(.inputGroups(16), bits: 4)
    ).matrix
    #expect(found.inputOrder != nil)
    let dense = inputs.matmul(found.dequantized(), transposingOther: true)
    expectClose(found.product(with: inputs), dense, relative: 1e-4, absolute: 1e-4)
    let grids = found.expandedGrids()
    let values = zip(
      found.codes().elements,
      zip(grids.stepSizes.elements, grids.zeroPoints.elements)
    )
    .map { code, grid in grid.0 * (Float(code) - grid.1) }
    #expect(values == found.dequantized().elements)
    #expect(AdaDim.outputError(of: found.dequantized(), for: weight, inputs: inputs) < 0.01)
  }

  @Test func dependentInputsAreDamped() throws {
    // Two rows of inputs for 30 columns: H has rank 2.
    let (weight, inputs) = (weight([8, 30]), inputs(2, 30))
    let result = try GPTQ(damping: 0.01).quantize(
      weight,
      hessian: CalibrationHessian(inputs),
      scheme: scheme(.outputChannel)
    )
    #expect(!result.report.isRoundedToNearest)
    #expect(result.matrix.dequantized().elements.allSatisfy { $0.isFinite })
  }

  @Test func noDampingIsRaisedWhereItMustBe() throws {
    let (weight, inputs) = (weight([8, 30]), inputs(2, 30))
    let result = try GPTQ(damping: 0).quantize(
      weight,
      hessian: CalibrationHessian(inputs),
      scheme: scheme(.outputChannel)
    )
    #expect(result.report.damping > 0 && result.report.retries > 0)
    let never = try GPTQ(damping: 0, maximumDamping: 0).quantize(
      weight,
      hessian: CalibrationHessian(inputs),
      scheme: scheme(.outputChannel)
    )
    let nearest = try RoundToNearest(scheme(.outputChannel)).quantize(weight).matrix
    if never.report.isRoundedToNearest {
      #expect(never.matrix.dequantized() == nearest.dequantized())
    }
  }

  @Test func layersWithoutInputsAreZero() throws {
    let weight = weight([4, 12])
    let result = try GPTQ().quantize(
      weight,
      hessian: CalibrationHessian(Tensor<Float>.zeros([5, 12])),
      scheme: scheme(.outputChannel)
    )
    #expect(result.report.deadInputCount == 12)
    #expect(result.matrix.dequantized().elements.allSatisfy { $0 == 0 })
  }

  @Test func badInputsAreNamed() throws {
    var x = [Float](repeating: 1, count: 24)
    x[3] = .infinity
    let hessian = CalibrationHessian(Tensor(x, shape: [2, 12]))
    #expect(throws: QuantizationError.notFiniteInputs(layer: "q")) {
      try GPTQ().quantize(
        weight([4, 12]),
        hessian: hessian,
        scheme: scheme(.outputChannel),
        layer: "q"
      )
    }
    #expect(throws: QuantizationError.missingCalibration(layer: "q")) {
      try AdaDim(grid: QuantizationGrid(bits: 4), groupSize: 4, base: .gptq()).quantize(
        weight([4, 12]),
        layer: "q"
      ) { _ in 0 }
    }
  }

  @Test func hessianIsAMeanOverSequences() {
    let (a, b) = (
      inputs(6, 5).reshaped(to: [2, 3, 5]), inputs(3, 5, seed: 9).reshaped(to: [1, 3, 5])
    )
    var both = CalibrationHessian(width: 5)
    both.add(a)
    both.add(b)
    #expect(both.sequenceCount == 3 && both.rowCount == 9)
    let all = Tensor<Float>.concatenating([a, b], axis: 0)
    expectClose(
      both.matrix.elements,
      CalibrationHessian(all).matrix.elements,
      relative: 1e-6,
      absolute: 1e-6
    )
  }

  @Test func noBitDependsOnTheThreadCount() async {
    await #expect(processExitsWith: .success) {
      func run(_ threads: Int) throws -> [Tensor<UInt8>] {
        WorkPool.threadCount = threads
        let tests = GPTQTests()
        let (weight, inputs) = (tests.weight([40, 300]), tests.inputs(500, 300))
        let hessian = CalibrationHessian(inputs)
        return try GPTQTests.granularities.map {
          try GPTQ(order: .activation).quantize(
            weight,
            hessian: hessian,
            scheme: tests.scheme($0)
          ).matrix.codes()
        }
      }
      let expected = try run(1)
      for threads in [2, 3] { #expect(try run(threads) == expected) }
    }
  }

  // MARK: - AdaDim

  /// Outlier activations on small weights want groups of outputs.
  ///
  /// On large weights, or with outlier rows, groups of inputs are better. The bounds are the factors
  /// measured for 3 bits and groups of 64, with a margin for another seed.
  @Test func outliersDecideTheAxis() throws {
    func ratio(inputScale: Float, weightScale: Float, rowScale: Float) throws -> Double {
      let size = 128
      var weight = weight([size, size], seed: 21)
      weight.withUnsafeMutableElements { elements in
        for row in 0..<size {
          for column in [17, 90] { elements[row * size + column] *= weightScale }
        }
        for row in [3, 50, 100] {
          for column in 0..<size { elements[row * size + column] *= rowScale }
        }
      }
      var generator = Philox(seed: 22)
      var x = Tensor<Float>.normal([256, size], using: &generator)
      x.withUnsafeMutableElements { elements in
        for row in 0..<256 {
          for column in [17, 90] { elements[row * size + column] *= inputScale }
        }
      }
      let method = AdaDim(grid: try QuantizationGrid(bits: 3), groupSize: 64, scaleType: .float32)
      let choice = try method.quantize(weight) {
        AdaDim.outputError(of: $0, for: weight, inputs: x)
      }
      let errors = choice.errors.map(\.error)
      #expect(choice.granularity == (errors[1] < errors[0] ? .outputGroups(64) : .inputGroups(64)))
      return errors[1] / errors[0]
    }
    #expect(try ratio(inputScale: 20, weightScale: 0.25, rowScale: 1) < 0.35)
    #expect(try ratio(inputScale: 20, weightScale: 0.5, rowScale: 1) < 0.6)
    #expect(try ratio(inputScale: 20, weightScale: 2, rowScale: 1) > 2)
    #expect(try ratio(inputScale: 20, weightScale: 4, rowScale: 1) > 4)
    #expect(try ratio(inputScale: 1, weightScale: 1, rowScale: 8) > 1.7)
  }

  @Test func axesThatDoNotDivideAreNoCandidates() throws {
    let method = AdaDim(grid: try QuantizationGrid(bits: 4), groupSize: 8)
    #expect(method.candidates(for: [16, 24]) == [.inputGroups(8), .outputGroups(8)])
    #expect(method.candidates(for: [15, 24]) == [.inputGroups(8)])
    #expect(method.candidates(for: [16, 25]) == [.outputGroups(8)])
    #expect(method.candidates(for: [15, 25]) == [.inputGroups(8)])
  }

  /// With the dimension fixed, GPTQ gives what AdaDim's base gives where it chooses that dimension.
  @Test func gptqInGroupsOfOutputsIsAdaDimsBase() throws {
    // 25 inputs cannot be divided by 8: groups of outputs are the only candidate.
    let (weight, inputs) = (weight([16, 25]), inputs(200, 25))
    let hessian = CalibrationHessian(inputs)
    let grid = try QuantizationGrid(bits: 3)
    let choice = try AdaDim(grid: grid, groupSize: 8, base: .gptq()).quantize(
      weight,
      hessian: hessian
    ) { AdaDim.outputError(of: $0, for: weight, inputs: inputs) }
    let fixed = try GPTQ(order: .activation, groupGrids: .fixed).quantize(
      weight,
      hessian: hessian,
      scheme: WeightScheme(grid: grid, granularity: .outputGroups(8))
    ).matrix
    #expect(choice.granularity == .outputGroups(8) && fixed.inputOrder == nil)
    #expect(choice.matrix.dequantized() == fixed.dequantized())
  }

  @Test func transposingSwapsTheAxes() throws {
    let weight = weight([24, 16])
    for range in RangeEstimation.allCases {
      func rounded(_ weight: Tensor<Float>, _ granularity: Granularity) throws -> Tensor<Float> {
        let scheme = try WeightScheme(
          grid: QuantizationGrid(bits: 3),
          granularity: granularity,
          range: range,
          scaleType: .float32
        )
        return try RoundToNearest(scheme).quantize(weight).matrix.dequantized()
      }
      let outputs = try rounded(weight, .outputGroups(8))
      let inputs = try rounded(weight.transposed(), .inputGroups(8))
      #expect(outputs == inputs.transposed(), "\(range)")
    }
  }

  @Test func bothBasesCanJudge() throws {
    let (weight, inputs) = (weight([16, 32]), inputs(200, 32))
    let hessian = CalibrationHessian(inputs)
    for selection in AdaDim.Selection.allCases {
      let method = AdaDim(
        grid: try QuantizationGrid(bits: 3),
        groupSize: 8,
        base: .gptq(),
        selection: selection
      )
      let choice = try method.quantize(weight, hessian: hessian) {
        AdaDim.outputError(of: $0, for: weight, inputs: inputs)
      }
      #expect(choice.report?.isRoundedToNearest == false)
      if selection == .base {
        let error = AdaDim.outputError(of: choice.matrix.dequantized(), for: weight, inputs: inputs)
        #expect(error == choice.errors.map(\.error).min())
      }
    }
  }
}
