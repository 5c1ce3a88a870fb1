import Autograd
import Quantization
import Tensor
import TestSupport
import Testing

/// Interleaved layers against the layers that they come from.
@Suite struct InterleavedLayerTests {
  private let rows = 45
  private let columns = 200

  /// Both layers on one row and on many: equal to floats' precision for tolerance 0, and within
  /// √3 · tolerance · ‖x‖ · ‖w‖ otherwise (no rounding is worse than √3 times its expectation; look-ups
  /// round sums of four products).
  private func check(
    _ layer: some InterleavableLayer,
    lookUp: Float = 0,
    _ comment: String
  ) throws {
    var generator = Philox(seed: 21)
    let weight = layer.weightRows((0..<Int32(rows)).map { $0 })
    for tolerance: Float in [0, 0.03] {
      let interleaved = try #require(layer.interleaved(tolerance: tolerance), "\(comment)")
      #expect(interleaved.inputWidth == columns && interleaved.outputWidth == rows)
      expectClose(
        interleaved.weightRows([44, 0, 7]),
        weight.rows([44, 0, 7]),
        absolute: 1e-6,
        comment
      )
      for count in [1, 2, 19] {
        let x = Tensor<Float>.normal([count, columns], using: &generator)
        let (found, expected) = (interleaved(x), layer(x))
        let lengths = x.pow(2).sum(axes: [1], keepingDimensions: true).sqrt()
        let norms = weight.pow(2).sum(axes: [1], keepingDimensions: true).sqrt() + lookUp
        let sizes = lengths.matmul(norms, transposingOther: true)
        let errors = ((found - expected).abs() / sizes).elements.max() ?? 0
        #expect(errors <= 1.7321 * min(tolerance, 0.0223) + 4e-6, "\(comment), \(count) rows")
      }
    }
  }

  private func weight(_ seed: UInt64 = 20) -> Tensor<Float> {
    var generator = Philox(seed: seed)
    return .normal([rows, columns], deviation: 0.05, using: &generator)
  }

  private func bias() -> Tensor<Float> {
    var generator = Philox(seed: 22)
    return .normal([rows], using: &generator)
  }

  @Test(arguments: 1...8, [true, false]) func gridsKeepTheirValues(
    bits: Int,
    isSymmetric: Bool
  ) throws {
    for granularity: Granularity in [.tensor, .outputChannel, .inputGroups(32), .inputGroups(64)] {
      for scaleType in ScaleType.allCases {
        let scheme = try WeightScheme(
          grid: QuantizationGrid(bits: bits, isSymmetric: isSymmetric),
          granularity: granularity,
          scaleType: scaleType
        )
        let matrix = try RoundToNearest(scheme).quantize(weight()).matrix
        let steps = matrix.stepSizes.abs().elements.max() ?? 0
        try check(
          PackedLinear(weight: matrix, bias: bias()),
          lookUp: bits <= 2 ? 1.5 * steps * Float(columns / 4 + 1).squareRoot() : 0,
          "\(bits) bits, symmetric \(isSymmetric), \(granularity), \(scaleType)"
        )
      }
    }
  }

  /// One step size and zero point for each input of a block of outputs, as AdaDim chooses.
  @Test(arguments: 2...8, [true, false]) func groupsOfOutputsKeepTheirValues(
    bits: Int,
    isSymmetric: Bool
  ) throws {
    let scheme = try WeightScheme(
      grid: QuantizationGrid(bits: bits, isSymmetric: isSymmetric),
      granularity: .outputGroups(16)
    )
    let matrix = try RoundToNearest(scheme).quantize(weight()).matrix
    let steps = matrix.stepSizes.abs().elements.max() ?? 0
    try check(
      PackedLinear(weight: matrix, bias: bias()),
      // Sums of four that are looked up are as far off as their largest factor allows.
      lookUp: bits <= 2 ? steps * Float(1 << bits) * Float(columns).squareRoot() : 0,
      "\(bits) bits"
    )
  }

  @Test func storedOrdersOfInputsAreFollowed() throws {
    var generator = Philox(seed: 23)
    var order = (0..<Int32(columns)).map { $0 }
    for index in order.indices { order.swapAt(index, generator.integer(below: columns)) }
    let scheme = try WeightScheme(
      grid: QuantizationGrid(bits: 4),
      granularity: .inputGroups(32)
    )
    let plain = try RoundToNearest(scheme).quantize(weight()).matrix
    let matrix = QuantizedMatrix(
      codes: plain.codes(),
      stepSizes: plain.stepSizes,
      zeroPoints: plain.zeroPoints,
      scheme: scheme,
      inputOrder: Tensor(order)
    )
    try check(PackedLinear(weight: matrix), "ordered")
  }

  @Test(arguments: 1...4) func binaryCodesKeepTheirValues(planes: Int) throws {
    for groupSize in [nil, 64] {
      let coding = try BinaryCoding(planes: planes, groupSize: groupSize, rounds: 2)
      let matrix = try coding.quantize(weight())
      let lookUp = 0.2 * Float(planes) * Float(columns / 4 + 1).squareRoot()
      try check(
        BinaryCodedLinear(weight: matrix, bias: bias()),
        lookUp: lookUp,
        "\(planes) planes of \(groupSize ?? 0)"
      )
      try check(
        AlphaTuningLinear(matrix, bias: bias()),
        lookUp: lookUp,
        "AlphaTuning, \(planes) planes of \(groupSize ?? 0)"
      )
    }
  }

  /// The scales of now, whatever their sign, and those that half precision does not hold.
  @Test func tunedScalesAreFollowed() throws {
    let scheme = try WeightScheme(
      grid: QuantizationGrid(bits: 4),
      granularity: .inputGroups(64)
    )
    let layer = PEQALinear(try RoundToNearest(scheme).quantize(weight()).matrix, bias: bias())
    var generator = Philox(seed: 24)
    let change = Tensor<Float>.normal(layer.scales.shape, deviation: 1, using: &generator)
    layer.scales.value = layer.scales.value * change
    try check(layer, "PEQA")
  }

  @Test func whatCannotBeInterleavedStaysAsItIs() throws {
    let split = try WeightScheme(grid: QuantizationGrid(bits: 4), granularity: .inputGroups(24))
    let whole = try WeightScheme(grid: QuantizationGrid(bits: 4), granularity: .outputChannel)
    let layer = PackedLinear(weight: try RoundToNearest(split).quantize(weight()).matrix)
    #expect(layer.interleaved(tolerance: 0) == nil)
    let rounded = PackedLinear(
      weight: try RoundToNearest(whole).quantize(weight()).matrix,
      inputQuantizer: TokenQuantizer(bits: 8)
    )
    #expect(rounded.interleaved(tolerance: 0) == nil)
  }

  @Test func gradientsOfInputsAreThoseOfTheLayer() throws {
    let scheme = try WeightScheme(grid: QuantizationGrid(bits: 4), granularity: .inputGroups(32))
    let layer = PackedLinear(weight: try RoundToNearest(scheme).quantize(weight()).matrix)
    let interleaved = try #require(layer.interleaved(tolerance: 0))
    var generator = Philox(seed: 25)
    let x = Tensor<Float>.normal([3, columns], using: &generator)
    func gradient(_ layer: any LinearLayer) -> Tensor<Float> {
      let parameter = Parameter(x)
      let variable = parameter.variable
      return gradients(of: layer(variable).sum(), by: [variable])[0]
    }
    expectClose(gradient(interleaved), gradient(layer), absolute: 1e-5)
  }

  @Test func layersOfOneInputShareItsRounding() throws {
    var layers: [any LinearLayer] = []
    for seed in 30..<33 {
      let scheme = try WeightScheme(grid: QuantizationGrid(bits: 4), granularity: .inputGroups(32))
      let matrix = try RoundToNearest(scheme).quantize(weight(UInt64(seed))).matrix
      let layer = PackedLinear(weight: matrix)
      layers.append(try #require(layer.interleaved(tolerance: 0.02)))
    }
    var generator = Philox(seed: 26)
    let x = Variable(Tensor<Float>.normal([2, columns], using: &generator))
    let together = InterleavedLinear.outputs(of: x, by: layers)
    for (layer, output) in zip(layers, together) { #expect(layer(x).value == output.value) }
  }
}
