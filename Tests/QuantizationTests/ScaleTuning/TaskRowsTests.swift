import Autograd
import Quantization
import Tensor
import TestSupport
import Testing

/// One layer whose place a tuned one takes.
private final class OneLayer: LinearLayerOwner {
  var layer: any LinearLayer
  static var linearLayers: [LinearLayerPath<OneLayer>] { [("layer", \.layer)] }
  init(_ layer: any LinearLayer) { self.layer = layer }
}

/// Rows of several tasks in one product.
@Suite struct TaskRowsTests {
  struct Kind: Sendable, CustomTestStringConvertible {
    var testDescription: String
    /// Whether the layer has one product for all tasks.
    var shares: Bool
    var granularity: Granularity?
  }

  static let kinds = [
    Kind(testDescription: "tensor", shares: true, granularity: .tensor),
    Kind(testDescription: "rows", shares: true, granularity: .outputChannel),
    Kind(testDescription: "groups of inputs", shares: false, granularity: .inputGroups(7)),
    Kind(testDescription: "groups of outputs", shares: false, granularity: .outputGroups(5)),
    Kind(testDescription: "binary codes", shares: true, granularity: nil),
  ]

  private func layer(_ kind: Kind, _ generator: inout Philox) throws -> any ScaleTunedLinear {
    let weight = Tensor<Float>.normal([13, 33], using: &generator)
    let bias = Tensor<Float>.normal([13], using: &generator)
    guard let granularity = kind.granularity else {
      return AlphaTuningLinear(try BinaryCoding(planes: 2).quantize(weight), bias: bias)
    }
    let scheme = try WeightScheme(
      grid: QuantizationGrid(bits: 3),
      granularity: granularity,
      scaleType: .float32
    )
    return PEQALinear(try RoundToNearest(scheme).quantize(weight).matrix, bias: bias)
  }

  @Test(arguments: kinds, [1, 5, 60]) func rowsHaveTheirTasks(kind: Kind, count: Int) throws {
    var generator = Philox(seed: 11)
    let layer = try layer(kind, &generator)
    let model = OneLayer(layer)
    let layers = try ScaleTunedLayers(of: model)
    let names: [String?] = ["zero", nil, "large", "negative"]
    for (name, factor) in [("zero", Float(0)), ("large", 3), ("negative", -0.5)] {
      var adapter = layers.adapter(task: name)
      adapter.scales = adapter.scales.mapValues { $0 * factor }
      try layers.add(adapter)
    }
    let x = Tensor<Float>.normal([2, count, 33], using: &generator)
    let rows = (0..<2 * count).map { names[($0 * $0 + $0 / 3) % names.count] }
    let mixed = try layers.withTasks(ofRows: rows) { layer(x) }
    #expect(mixed.shape == [2, count, 13])
    let flat = (x.reshaped(to: [2 * count, 33]), mixed.reshaped(to: [2 * count, 13]))
    for (row, task) in rows.enumerated() {
      try layers.activate(task)
      let alone = layer(flat.0.sliced(row..<row + 1, axis: 0))
      expectClose(flat.1[row], alone[0], relative: 1e-5, absolute: 1e-5)
    }
    let scales = [Float(1), 2, 3, 4, 5].map { layer.scales.value * $0 }
    let shared = layer.sharedProduct(
      with: flat.0,
      scales: scales,
      members: rows.indices.map { Int32($0 % scales.count) }
    )
    // Binary codes have a product for each task where there are many rows.
    #expect((shared != nil) == (kind.shares && (kind.granularity != nil || count < 60)))
  }

  @Test func tasksThatAreTakenAwayAreUnknown() throws {
    var generator = Philox(seed: 12)
    let layer = try layer(Self.kinds[1], &generator)
    let layers = try ScaleTunedLayers(of: OneLayer(layer))
    let x = Tensor<Float>.normal([3, 33], using: &generator)
    let base = layer(x)
    var adapter = layers.adapter(task: "law")
    adapter.scales = adapter.scales.mapValues { $0 * 2 }
    try layers.add(adapter)
    try layers.activate("law")
    #expect(layer(x) != base)
    try layers.remove("law")
    #expect(layer(x) == base && layers.tasks.isEmpty && layer.tasks?.scales.isEmpty == true)
    #expect(throws: ScaleAdapterError.unknownTask("law", known: [])) {
      try layers.activate("law")
    }
    #expect(throws: ScaleAdapterError.unknownTask("law", known: [])) { try layers.remove("law") }
  }
}
