import Autograd
import Foundation
import Quantization
import Tensor
import TestSupport
import Testing

/// AdaRound beside its formulas in Double.
@Suite struct AdaRoundTests {
  typealias Learned = LearnedRoundingTests

  /// h(V) = clamp(1.2 · sigmoid(V) − 0.1, 0, 1).
  static func share(_ offset: Float) -> Double {
    min(max(1.2 / (1 + exp(-Double(offset))) - 0.1, 0), 1)
  }

  /// Whether h bends within a step of the differences: 1.2 · sigmoid(V) − 0.1 is 0 or 1 at ±log 11.
  static func isAtBend(_ offset: Float) -> Bool { abs(abs(offset) - log(11)) < 2 / 1024 }

  /// The integer below each weight, its step size and its bounds, by the granularities that are tested.
  struct Oracle {
    var floors: [Double] = []
    var steps: [Double] = []
    var bounds: [ClosedRange<Double>] = []

    init(_ rounding: AdaRound, _ scheme: WeightScheme) throws {
      let nearest = try RoundToNearest(scheme).quantize(rounding.weight.asMatrix).matrix
      let (sizes, columns) = (nearest.stepSizes.elements, nearest.shape[1])
      let middle = [UInt8](repeating: 1 << (scheme.grid.bits - 1), count: sizes.count)
      let zeros = nearest.zeroPoints?.elements ?? middle
      for (place, weight) in rounding.weight.elements.enumerated() {
        let group: Int
        switch scheme.granularity {
        case .tensor: group = 0
        case .outputChannel: group = place / columns
        case .inputGroups(let size):
          group = place / columns * ((columns + size - 1) / size) + place % columns / size
        case .outputGroups(let size): group = place / columns / size * columns + place % columns
        }
        floors.append(floor(Double(weight / sizes[group])))
        steps.append(Double(sizes[group]))
        let low = -Double(zeros[group])
        bounds.append(low...(low + Double(scheme.grid.maximumCode)))
      }
    }

    func value(_ place: Int, _ share: Double) -> Double {
      let range = bounds[place]
      return steps[place] * min(max(floors[place] + share, range.lowerBound), range.upperBound)
    }
  }

  @Test(arguments: Learned.granularities)
  func startInUseIsRoundToNearestToTheBit(granularity: Granularity) throws {
    let weight = Learned.weight([18, 45])
    for bits in [1, 2, 3, 4, 8] {
      for symmetric in [false, true] {
        let scheme = try Learned.scheme(bits, granularity, symmetric: symmetric)
        let nearest = try RoundToNearest(scheme).quantize(weight).matrix
        let rounding = try AdaRound(weight, scheme: scheme)
        rounding.eval()
        #expect(rounding().value == nearest.dequantized())
        #expect(rounding.quantized().words == nearest.words)
        #expect(rounding.quantized().stepSizes == nearest.stepSizes)
      }
    }
  }

  /// s = 1: halves go to the even integer, as in round-to-nearest.
  @Test func tiesStartAtTheEvenInteger() throws {
    let weight = Tensor<Float>([0.5, 1.5, 2.5, 3.5, 4.5, 7, 0], shape: [1, 7])
    let rounding = try AdaRound(weight, scheme: Learned.scheme(3, .outputChannel))
    #expect(Array(rounding.offset.value.elements.prefix(5)) == [0, 0, 0, 0, 0])
    rounding.eval()
    #expect(rounding().value.elements == [0, 2, 2, 4, 4, 7, 0])
  }

  /// While it is trained the start is the float weight, where the grid reaches it.
  @Test func startInTrainingIsTheWeight() throws {
    let weight = Learned.weight([9, 20])
    let scheme = try Learned.scheme(4, .outputChannel)
    let rounding = try AdaRound(weight, scheme: scheme)
    let oracle = try Oracle(rounding, scheme)
    let expected = weight.elements.indices.map { place in
      let range = oracle.bounds[place]
      let quotient = Double(weight.elements[place]) / oracle.steps[place]
      return oracle.steps[place] * min(max(quotient, range.lowerBound), range.upperBound)
    }
    expectClose(rounding().value.elements.map(Double.init), expected, absolute: 1e-6)
  }

  @Test(arguments: Learned.granularities)
  func softWeightsFollowTheFormulaAndItsDifferences(granularity: Granularity) throws {
    var generator = Philox(seed: 7)
    let scheme = try Learned.scheme(3, granularity, range: .meanSquaredError)
    let rounding = try AdaRound(Learned.weight([8, 14]), scheme: scheme)
    rounding.offset.value = .normal([8, 14], deviation: 2, using: &generator)
    let oracle = try Oracle(rounding, scheme)
    let offsets = rounding.offset.value.elements
    let value = rounding()
    let expected = offsets.indices.map { oracle.value($0, Self.share(offsets[$0])) }
    expectClose(value.value.elements.map(Double.init), expected, absolute: 1e-6)
    let upstream = Tensor<Float>.normal([8, 14], using: &generator)
    (value * Variable(upstream)).sum().backward()
    let found = try #require(rounding.offset.gradient)
    for (place, offset) in offsets.enumerated() where !Self.isAtBend(offset) {
      let step: Float = 1 / 1024
      let above = oracle.value(place, Self.share(offset + step))
      let below = oracle.value(place, Self.share(offset - step))
      let slope = (above - below) / Double(2 * step) * Double(upstream.elements[place])
      #expect(abs(Double(found.elements[place]) - slope) < 1e-4 * max(1, abs(slope)), "\(place)")
    }
  }

  @Test func inUseEachWeightGoesDownOrUp() throws {
    let weight = Tensor<Float>([0.4, 0.6, 1.2, 2.9, 3, 0, 7], shape: [1, 7])
    let rounding = try AdaRound(weight, scheme: Learned.scheme(3, .outputChannel))
    rounding.offset.value = Tensor([1, -1, 0.01, -0.01, 4, -4, 1], shape: [1, 7])
    rounding.eval()
    #expect(rounding().value.elements == [1, 0, 2, 2, 4, 0, 7])
    #expect(rounding.quantized().codes().elements == [1, 0, 2, 2, 4, 0, 7])
  }

  /// β = 20 at a share of 0.2, 2 at 1, on a line between; f = 0.01 · Σ (1 − |2h − 1|^β).
  @Test(arguments: [(Float(0.2), 20.0), (0.4, 15.5), (0.6, 11), (0.9, 4.25)])
  func penaltyFollowsTheFormulaAndItsDifferences(share: Float, exponent: Double) throws {
    var generator = Philox(seed: 8)
    let rounding = try AdaRound(Learned.weight([4, 6]), scheme: Learned.scheme(2, .tensor))
    rounding.offset.value = .normal([4, 6], deviation: 1.5, using: &generator)
    func term(_ offset: Float) -> Double {
      0.01 * (1 - pow(abs(2 * Self.share(offset) - 1), exponent))
    }
    let offsets = rounding.offset.value.elements
    let penalty = try #require(rounding.penalty(at: share))
    let expected = offsets.reduce(0) { $0 + term($1) }
    #expect(abs(Double(penalty.item) - expected) < 1e-5 * expected)
    penalty.backward()
    let found = try #require(rounding.offset.gradient)
    for (place, offset) in offsets.enumerated() where !Self.isAtBend(offset) {
      let step: Float = 1 / 1024
      let slope = (term(offset + step) - term(offset - step)) / Double(2 * step)
      #expect(abs(Double(found.elements[place]) - slope) < 2e-6 + 1e-3 * abs(slope), "\(place)")
    }
  }

  @Test func thereIsNoPenaltyInTheWarmUp() throws {
    let rounding = try AdaRound(Learned.weight([4, 6]), scheme: Learned.scheme(2, .tensor))
    #expect(rounding.penalty(at: 0) == nil)
    #expect(rounding.penalty(at: 0.199) == nil)
    #expect(rounding.penalty(at: 0.2) != nil)
  }

  /// The penalty makes the soft weights decide; without it most stay between two integers.
  @Test func thePenaltyDecides() throws {
    func undecided(_ penaltyWeight: Float) throws -> Int {
      let weight = Learned.weight([12, 24])
      let inputs = Learned.weight([64, 24], seed: 4)
      let configuration = AdaRound.Configuration(penaltyWeight: penaltyWeight)
      let rounding = try AdaRound(
        weight,
        scheme: Learned.scheme(3, .outputChannel),
        configuration: configuration
      )
      let layer = RoundedLinear(rounding)
      let settings = ReconstructionSettings(
        steps: 300,
        batchSize: 8,
        learningRate: 3e-2,
        selection: .last
      )
      try Reconstruction(settings).run(
        layer.parameters(),
        inputs: inputs,
        targets: inputs.matmul(weight, transposingOther: true),
        forward: { layer($0) },
        penalty: { rounding.penalty(at: $0) },
        willTrain: { rounding.isTraining = $0 }
      )
      let shares = rounding.offset.value.elements.map { Self.share($0) }
      return shares.count { $0 > 0.02 && $0 < 0.98 }
    }
    let (with, without) = (try undecided(0.01), try undecided(0))
    #expect(with < 144 && without > 216, "\(with) and \(without) of 288")
  }

  /// A convolution and a linear layer behind it, both replaceable.
  final class Net: ConvolutionLayerOwner, LinearLayerOwner {
    var convolution: any ConvolutionLayer
    var classifier: any LinearLayer
    static var convolutionLayers: [ConvolutionLayerPath<Net>] {
      [("convolution", \.convolution)]
    }
    static var linearLayers: [LinearLayerPath<Net>] { [("classifier", \.classifier)] }

    init(using generator: inout Philox) {
      convolution = Conv2d(inputChannels: 3, outputChannels: 8, kernel: 3, using: &generator)
      classifier = Linear(inputWidth: 8, outputWidth: 6, using: &generator)
    }

    func callAsFunction(_ x: Variable) -> Variable {
      classifier(globalAveragePool2d(convolution(x).relu()))
    }
  }

  @Test(arguments: [Float(1e-2), 30])
  func layersOfAModuleAreLearnedAndPackedAndNeverWorse(rate: Float) throws {
    var generator = Philox(seed: 1)
    let net = Net(using: &generator)
    let inputs = Tensor<Float>.normal([48, 3, 6, 6], using: &generator)
    let targets = withoutGradients { net(Variable(inputs)).value }
    let settings = ReconstructionSettings(steps: 200, batchSize: 8, learningRate: rate, seed: 5)
    let scheme = try Learned.scheme(3, .tensor)
    let dense = try #require(net.convolution as? Conv2d)
    let nearest = try RoundToNearest(scheme).quantize(dense.weight.value.asMatrix).matrix
    let result = try Reconstruction(settings).run(
      net,
      rounding: LayerRounding(method: .adaRound(), scheme: scheme),
      inputs: inputs,
      targets: targets,
      forward: { net($0) }
    )
    #expect(result.report.error <= result.report.startError)
    if rate < 1 { #expect(result.report.error < 0.8 * result.report.startError) }
    let packed = try #require(net.convolution as? PackedConv2d)
    #expect(net.classifier is PackedLinear)
    // One step at most, and on the same grid.
    #expect(packed.weight.stepSizes == nearest.stepSizes)
    for (now, then) in zip(packed.weight.codes().elements, nearest.codes().elements) {
      #expect(abs(Int(now) - Int(then)) <= 1)
    }
  }
}

extension Tensor where Element == Float {
  /// A weight as rows.
  fileprivate var asMatrix: Tensor { reshaped(to: [shape[0], count / shape[0]]) }
}
