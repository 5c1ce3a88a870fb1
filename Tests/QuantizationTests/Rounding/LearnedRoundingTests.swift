import Autograd
import Quantization
import Tensor
import TestSupport
import Testing

/// What FlexRound and LRQ must do whatever the numbers.
@Suite struct LearnedRoundingTests {
  static let granularities: [Granularity] = [
    .tensor, .outputChannel, .inputGroups(7), .inputGroups(1), .outputGroups(4),
  ]
  static let methods: [LearnedRoundingMethod] = [
    .flexRound(), .lrq(LRQ.Configuration(rank: .fixed(3))),
  ]

  static func scheme(
    _ bits: Int,
    _ granularity: Granularity,
    symmetric: Bool = false,
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

  static func weight(_ shape: Shape, seed: UInt64 = 1) -> Tensor<Float> {
    var generator = Philox(seed: seed)
    return .normal(shape, deviation: 0.1, using: &generator)
  }

  @Test(arguments: methods, granularities)
  func startIsRoundToNearestToTheBit(
    method: LearnedRoundingMethod,
    granularity: Granularity
  ) throws {
    var generator = Philox(seed: 2)
    let weight = Self.weight([18, 45])
    for bits in [1, 2, 3, 4, 8] {
      for symmetric in [false, true] {
        for scaleType in ScaleType.allCases {
          let scheme = try Self.scheme(
            bits,
            granularity,
            symmetric: symmetric,
            scaleType: scaleType
          )
          let nearest = try RoundToNearest(scheme).quantize(weight).matrix
          let rounding = try method(weight, scheme: scheme, using: &generator)
          #expect(rounding().value == nearest.dequantized())
          let frozen = rounding.quantized()
          #expect(frozen.words == nearest.words)
          #expect(frozen.stepSizes == nearest.stepSizes)
          #expect(frozen.zeroPoints == nearest.zeroPoints)
        }
      }
    }
  }

  @Test(arguments: methods, granularities)
  func valuesLieOnTheGridAndFreezeExactly(
    method: LearnedRoundingMethod,
    granularity: Granularity
  ) throws {
    var generator = Philox(seed: 3)
    let scheme = try Self.scheme(3, granularity)
    let rounding = try method(Self.weight([18, 45]), scheme: scheme, using: &generator)
    for parameter in rounding.parameters() {
      parameter.value += .normal(parameter.shape, deviation: 0.2, using: &generator)
    }
    let frozen = rounding.quantized()
    #expect(frozen.codes().elements.allSatisfy { $0 <= 7 })
    #expect(rounding().value == frozen.dequantized())
  }

  /// One weight by hand: s₁ = 1, W = 3.3, S₂ = e^0.5: u = 3.3 / 1.6487 = 2.0015, n = 2, Ŵ = 2;
  /// with G = 2: A = −2 · 1 · 2.0015, ∂d₁ = 2 · (2 − 2.0015).
  @Test func oneWeightByHand() throws {
    let scheme = try Self.scheme(3, .outputChannel)
    let weight = Tensor<Float>([3.3, 7, 0], shape: [1, 3])
    let rounding = try FlexRound(weight, scheme: scheme)
    #expect(rounding.startingStepSizes.elements == [1])
    let logScale = try #require(rounding.logScale)
    logScale.value = Tensor([0.5, 0, 0], shape: [1, 3])
    let value = rounding()
    #expect(value.value.elements == [2, 7, 0])
    (value * Variable(Tensor<Float>([2, 0, 5], shape: [1, 3]))).sum().backward()
    let u = 3.3 / Float(1.6487213)
    expectClose(logScale.gradient?.elements ?? [], [-2 * u, 0, 0], absolute: 1e-5)
    expectClose(rounding.logStep.gradient?.elements ?? [], [2 * (2 - u)], absolute: 1e-5)
    expectClose(rounding.logRowScale?.gradient?.elements ?? [], [-2 * u], absolute: 1e-5)
  }

  /// Clamped weights give nothing to the scales, and their integer to the step size.
  @Test func clampedWeightsMoveTheStepOnly() throws {
    let weight = Tensor<Float>([3, 0, 1], shape: [1, 3])
    let rounding = try FlexRound(weight, scheme: Self.scheme(2, .outputChannel))
    let logScale = try #require(rounding.logScale)
    // u = 3 / e^−1 = 8.2, clamped to 3.
    logScale.value = Tensor([-1, 0, 0], shape: [1, 3])
    let value = rounding()
    #expect(value.value.elements == [3, 0, 1])
    (value * Variable(Tensor<Float>([1, 0, 0], shape: [1, 3]))).sum().backward()
    #expect(logScale.gradient?.elements == [0, 0, 0])
    #expect(rounding.logStep.gradient?.elements == [3])
  }

  /// The rule of gradients is that of the function in which round is replaced by what it adds: the
  /// difference round(u) − u held fixed.
  @Test(arguments: methods, granularities)
  func gradientsAreThoseOfTheStraightThroughFunction(
    method: LearnedRoundingMethod,
    granularity: Granularity
  ) throws {
    var generator = Philox(seed: 5)
    let scheme = try Self.scheme(4, granularity, range: .meanSquaredError)
    let rounding = try method(Self.weight([8, 14]), scheme: scheme, using: &generator)
    for parameter in rounding.parameters() {
      parameter.value += .normal(parameter.shape, deviation: 0.05, using: &generator)
    }
    let upstream = Tensor<Float>.normal([8, 14], using: &generator)
    (rounding() * Variable(upstream)).sum().backward()
    let surrogate = StraightThrough(rounding, scheme)
    for (index, parameter) in rounding.parameters().enumerated() {
      let found = try #require(parameter.gradient)
      for place in stride(from: 0, to: parameter.count, by: max(1, parameter.count / 7)) {
        let wanted = surrogate.slope(index, place, upstream)
        let tolerance = 1e-4 * max(1, abs(wanted))
        #expect(abs(Double(found.elements[place]) - wanted) < tolerance, "\(index), \(place)")
      }
    }
  }

  @Test func proposition31LargeWeightsMoveMore() throws {
    // ∂L/∂S₂ is proportional to the weight: equal gradients of Ŵ, unequal ones of S₂.
    let weight = Tensor<Float>([0.11, 0.52, 1.03, 0], shape: [1, 4])
    let rounding = try FlexRound(weight, scheme: Self.scheme(8, .outputChannel))
    rounding().sum().backward()
    let gradient = try #require(rounding.logScale?.gradient?.elements)
    #expect(gradient[3] == 0)
    for (found, value) in zip(gradient, weight.elements) { #expect(abs(found + value) < 1e-6) }
  }

  @Test func firstGradientOfTheRightFactorIsZero() throws {
    var generator = Philox(seed: 6)
    let weight = Self.weight([12, 20])
    let rounding = try LRQ(
      weight,
      rank: 4,
      scheme: Self.scheme(4, .outputChannel),
      using: &generator
    )
    (rounding() * Variable(Self.weight([12, 20], seed: 9))).sum().backward()
    #expect(rounding.right.gradient?.abs().max() == 0)
    #expect((rounding.left.gradient?.abs().max() ?? 0) > 0)
  }

  @Test func ranksFollowTheirRules() {
    #expect(LRQ.Rank.automatic.resolved(for: [4096, 4096]) == 1024)
    #expect(LRQ.Rank.automatic.resolved(for: [8192, 28672]) == 2048)
    #expect(LRQ.Rank.automatic.resolved(for: [100, 300]) == 16)
    #expect(LRQ.Rank.automatic.resolved(for: [3, 300]) == nil)
    #expect(LRQ.Rank.fixed(4).resolved(for: [8, 8]) == nil)  // 4 · 16 ≥ 64
    #expect(LRQ.Rank.fixed(3).resolved(for: [8, 8]) == 3)
    #expect(LRQ.Rank.fixed(0).resolved(for: [8, 8]) == nil)
    #expect(LRQ.Rank.fraction(0.25).resolved(for: [64, 128]) == 16)
    // The official rule: 7B low rank in attention only, 13B everywhere, 70B in the MLP only.
    #expect(LRQ.Rank.official.resolved(for: [4096, 4096]) == 1024)
    #expect(LRQ.Rank.official.resolved(for: [11008, 4096]) == nil)
    #expect(LRQ.Rank.official.resolved(for: [4096, 11008]) == nil)
    #expect(LRQ.Rank.official.resolved(for: [5120, 13824]) == 1024)
    #expect(LRQ.Rank.official.resolved(for: [8192, 8192]) == nil)
    #expect(LRQ.Rank.official.resolved(for: [1024, 8192]) == nil)
    #expect(LRQ.Rank.official.resolved(for: [28672, 8192]) == 2048)
  }

  /// The parameters of a Llama-2-7B block as the specification counts them.
  @Test func learnedParametersOfABlock() {
    let shapes: [Shape] = [
      [4096, 4096], [4096, 4096], [4096, 4096], [4096, 4096], [11008, 4096], [11008, 4096],
      [4096, 11008],
    ]
    func count(_ rank: LRQ.Rank) -> Int {
      shapes.reduce(0) { sum, shape in
        let (n, k) = (shape[0], shape[1])
        guard let rank = rank.resolved(for: shape) else { return sum + n * k }
        return sum + rank * (n + k)
      }
    }
    #expect(count(.fixed(1024)) == 79_953_920)
    #expect(count(.official) == 168_820_736)
  }

  @Test func partsCanBeLeftOut() throws {
    let weight = Self.weight([6, 10])
    let scheme = try Self.scheme(4, .outputChannel)
    let settings = FlexRound.Configuration(
      learnsStepSize: false,
      hasElementScales: false,
      hasRowScales: true,
      hasInputScales: true
    )
    let rounding = try FlexRound(weight, scheme: scheme, configuration: settings)
    #expect(rounding.logScale == nil)
    (rounding() * Variable(Self.weight([6, 10], seed: 3))).sum().backward()
    #expect(rounding.logStep.gradient == nil)
    #expect(rounding.logInputScale?.gradient?.shape == [1, 10])
    #expect(rounding.logRowScale?.gradient?.shape == [6, 1])
  }

  // MARK: - Degenerate rows

  @Test(arguments: methods, RangeEstimation.allCases)
  func degenerateRowsStayFinite(method: LearnedRoundingMethod, range: RangeEstimation) throws {
    var generator = Philox(seed: 8)
    var rows = [Float](repeating: 0, count: 16)  // zeros
    rows += [Float](repeating: 0.7, count: 16)  // constant
    rows += [Float](repeating: -0.3, count: 16)
    rows += [1e6] + [Float](repeating: 1e-3, count: 15)  // one huge value
    let weight = Tensor<Float>(rows, shape: [4, 16])
    for symmetric in [false, true] {
      let scheme = try Self.scheme(4, .outputChannel, symmetric: symmetric, range: range)
      let rounding = try method(weight, scheme: scheme, using: &generator)
      let value = rounding()
      #expect(value.value.elements.prefix(16).allSatisfy { $0 == 0 })
      #expect(value.value.elements.allSatisfy { $0.isFinite })
      value.square().sum().backward()
      for parameter in rounding.parameters() {
        #expect(parameter.gradient?.elements.allSatisfy { $0.isFinite } ?? true)
      }
      #expect(rounding.quantized().dequantized() == value.value)
    }
  }

  @Test(arguments: methods)
  func notFiniteWeightsAreRefused(method: LearnedRoundingMethod) throws {
    var generator = Philox(seed: 8)
    var elements = [Float](repeating: 0.5, count: 12)
    elements[9] = .nan
    let scheme = try Self.scheme(4, .outputGroups(2))
    #expect(throws: QuantizationError.notFinite(layer: "up", row: 2)) {
      try method(Tensor(elements, shape: [3, 4]), scheme: scheme, layer: "up", using: &generator)
    }
  }

  @Test func noBitDependsOnTheThreadCount() async {
    await #expect(processExitsWith: .success) {
      func run(_ threads: Int) throws -> [[Float]] {
        WorkPool.threadCount = threads
        var generator = Philox(seed: 11)
        let weight = LearnedRoundingTests.weight([130, 300])
        let upstream = LearnedRoundingTests.weight([130, 300], seed: 4)
        var results: [[Float]] = []
        for method in LearnedRoundingTests.methods {
          for granularity in LearnedRoundingTests.granularities {
            let scheme = try LearnedRoundingTests.scheme(4, granularity)
            let rounding = try method(weight, scheme: scheme, using: &generator)
            let value = rounding()
            (value * Variable(upstream)).sum().backward()
            results.append(value.value.elements)
            results += rounding.parameters().compactMap { $0.gradient?.elements }
          }
        }
        return results
      }
      let expected = try run(1)
      for threads in [2, 3, 5] { #expect(try run(threads) == expected, "\(threads) threads") }
    }
  }
}

/// The straight-through function in Double: round(u) = u + (what rounding added at the start), with
/// clamped integers fixed.
private struct StraightThrough {
  private let rounding: any LearnedRounding
  private let values: [Tensor<Float>]
  private let start: [Double]

  init(_ rounding: any LearnedRounding, _ scheme: WeightScheme) {
    self.rounding = rounding
    values = rounding.parameters().map(\.value)
    start = rounding.startingStepSizes.elements.map(Double.init)
    grids = rounding.quantized().expandedGrids()
    self.scheme = scheme
  }

  private let grids: (stepSizes: Tensor<Float>, zeroPoints: Tensor<Float>)
  private let scheme: WeightScheme

  /// ∂/∂p of Σ upstream · Ŵ by central differences of the function.
  func slope(_ parameter: Int, _ place: Int, _ upstream: Tensor<Float>) -> Double {
    let step = 1e-5
    func value(_ shift: Double) -> Double {
      let exponents = exponents(parameter, place, shift)
      let base = self.exponents(parameter, place, 0)
      let weight = rounding.weight.elements
      let top = Double(scheme.grid.maximumCode)
      var sum = 0.0
      for index in weight.indices {
        let zero = Double(grids.zeroPoints.elements[index])
        let u0 = Double(weight[index]) / (base.step[index] * power(base.scale[index]))
        let u = Double(weight[index]) / (exponents.step[index] * power(exponents.scale[index]))
        let n = u0.rounded(.toNearestOrEven)
        let inside = n >= -zero && n <= top - zero
        let integer = inside ? u + (n - u0) : min(max(n, -zero), top - zero)
        sum += Double(upstream.elements[index]) * exponents.step[index] * integer
      }
      return sum
    }
    return (value(step) - value(-step)) / (2 * step)
  }

  private func power(_ x: Double) -> Double {
    var (term, sum) = (1.0, 1.0)
    for k in 1..<30 {
      term *= x / Double(k)
      sum += term
    }
    return sum
  }

  /// The step sizes and the exponents of every element with one parameter moved.
  private func exponents(
    _ parameter: Int,
    _ place: Int,
    _ shift: Double
  ) -> (step: [Double], scale: [Double]) {
    var doubles = values.map { $0.elements.map(Double.init) }
    doubles[parameter][place] += shift
    let (rows, columns) = (rounding.weight.shape[0], rounding.weight.shape[1])
    let groups = values[0].shape
    var (steps, scales) = ([Double](), [Double]())
    for row in 0..<rows {
      for column in 0..<columns {
        let group = groupIndex(row, column, groups)
        steps.append(start[group] * power(doubles[0][group]))
        switch rounding {
        case is FlexRound:
          scales.append(doubles[1][row * columns + column] + doubles[2][row])
        default:
          let rank = values[1].shape[1]
          let product = (0..<rank).reduce(0.0) {
            $0 + doubles[1][row * rank + $1] * doubles[2][$1 * columns + column]
          }
          scales.append(product + doubles[3][row] + doubles[4][column])
        }
      }
    }
    return (steps, scales)
  }

  private func groupIndex(_ row: Int, _ column: Int, _ groups: Shape) -> Int {
    switch scheme.granularity {
    case .tensor: 0
    case .outputChannel: row
    case .inputGroups(let size): row * groups[1] + column / size
    case .outputGroups(let size): row / size * groups[1] + column
    }
  }
}
