import Autograd
import Quantization
import Tensor
import TestSupport
import Testing

/// Ŵ = s ⊙ (clamp(round(W / s + V) + z, 0, 2ᵇ − 1) − z); the gradient takes round for the identity.
final class ShiftRounding: LearnedRounding {
  let weight: Tensor<Float>
  let scheme: WeightScheme
  let shift: Parameter  // V, as W
  private let start: QuantizedMatrix
  private let (steps, zeros): (Tensor<Float>, Tensor<Float>)  // s and z of every weight

  init(_ weight: Tensor<Float>, scheme: WeightScheme) throws {
    (self.weight, self.scheme) = (weight, scheme)
    start = try RoundToNearest(scheme).quantize(weight).matrix
    (steps, zeros) = start.expandedGrids()
    shift = Parameter(.zeros(weight.shape))
  }

  var parameterization: StepParameterization { .relative }
  var startingStepSizes: Tensor<Float> { start.stepSizes }
  private var codes: ClosedRange<Float> { 0...Float(scheme.grid.maximumCode) }
  private var integers: Tensor<Float> { (weight / steps + shift.value).rounded() + zeros }

  func callAsFunction() -> Variable {
    let (integers, range) = (integers, codes)
    let value = steps * (integers.clamped(to: range) - zeros)
    return .custom(value, input: shift.variable) { [steps] gradient in
      let isInside = (integers .>= range.lowerBound) .& (integers .<= range.upperBound)
      return select(isInside, steps * gradient, 0)
    }
  }

  func nearest() -> QuantizedMatrix { start }
  func logScales() -> Tensor<Float>? { nil }

  func quantized() -> QuantizedMatrix {
    QuantizedMatrix(
      codes: integers.clamped(to: codes).converted(to: UInt8.self),
      stepSizes: start.stepSizes,
      zeroPoints: start.zeroPoints,
      scheme: scheme
    )
  }
}

/// The code of the article "Adding a quantizer".
@Suite struct AddingAQuantizerExamples {
  private static func normal(_ shape: Shape, seed: UInt64) -> Tensor<Float> {
    var generator = Philox(seed: seed)
    return .normal(shape, using: &generator)
  }

  @Test(
    arguments: [Granularity.outputChannel, .inputGroups(8), .outputGroups(4), .tensor],
    [true, false]
  )
  func theStartIsRoundToNearestToTheBit(granularity: Granularity, isSymmetric: Bool) throws {
    let weight = Self.normal([12, 24], seed: 1)
    for bits in [1, 2, 3, 4, 8] {
      let grid = try QuantizationGrid(bits: bits, isSymmetric: isSymmetric)
      let scheme = try WeightScheme(grid: grid, granularity: granularity)
      let nearest = try RoundToNearest(scheme).quantize(weight).matrix
      let rounding = try ShiftRounding(weight, scheme: scheme)
      #expect(rounding.quantized().words == nearest.words)
      expectClose(rounding().value, nearest.dequantized(), relative: 1e-6)
    }
  }

  @Test func aLayerIsTrained() throws {
    let scheme = try WeightScheme(grid: QuantizationGrid(bits: 3), granularity: .outputChannel)
    let weight = Self.normal([12, 24], seed: 1)
    // Six directions and a little noise: errors of one weight can make up for those of others.
    let directions = Self.normal([256, 6], seed: 2).matmul(Self.normal([6, 24], seed: 3))
    let inputs = directions + 0.1 * Self.normal([256, 24], seed: 4)
    let layer = RoundedLinear(try ShiftRounding(weight, scheme: scheme))
    let settings = ReconstructionSettings(steps: 200, batchSize: 8, learningRate: 1e-2)
    let report = try Reconstruction(settings).run(
      layer.parameters(),
      inputs: inputs,
      targets: inputs.linear(weight: weight),
      forward: { layer($0) }
    )
    print(report.startError, report.error, layer.packed().weight.byteCount)
    #expect(report.error < 0.6 * report.startError, "\(report.startError) → \(report.error)")
    expectClose(layer.packed()(inputs), layer(inputs), relative: 1e-4, absolute: 1e-4)
  }
}
