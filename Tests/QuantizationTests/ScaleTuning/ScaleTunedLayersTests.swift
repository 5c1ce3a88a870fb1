import Autograd
import Checkpoints
import Foundation
import Tensor
import TestSupport
import Testing

@testable import Quantization

/// Two linear layers whose places can be taken by tuned ones.
private final class TwoLayers: LinearLayerOwner {
  var first: any LinearLayer
  var second: any LinearLayer

  static var linearLayers: [LinearLayerPath<TwoLayers>] {
    [("first", \.first), ("second", \.second)]
  }

  init(_ first: any LinearLayer, _ second: any LinearLayer) {
    (self.first, self.second) = (first, second)
  }

  func callAsFunction(_ x: Tensor<Float>) -> Tensor<Float> { second(first(x).relu()) }
  func callAsFunction(_ x: Variable) -> Variable { second(first(x).relu()) }
}

@Suite struct ScaleTunedLayersTests {
  private static let granularities: [Granularity] = [
    .tensor, .outputChannel, .inputGroups(8), .outputGroups(5),
  ]

  private func packed(
    _ shape: Shape,
    _ granularity: Granularity,
    _ generator: inout Philox
  ) throws -> PackedLinear {
    let scheme = try WeightScheme(
      grid: QuantizationGrid(bits: 3),
      granularity: granularity,
      scaleType: .float32
    )
    let weight = Tensor<Float>.normal(shape, using: &generator)
    return PackedLinear(
      weight: try RoundToNearest(scheme).quantize(weight).matrix,
      bias: .normal([shape[0]], using: &generator)
    )
  }

  private func model(_ granularity: Granularity, seed: UInt64 = 1) throws -> TwoLayers {
    var generator = Philox(seed: seed)
    return TwoLayers(
      try packed([12, 20], granularity, &generator),
      try packed([6, 12], granularity, &generator)
    )
  }

  /// What a file makes of an adapter.
  @discardableResult
  private func read(_ adapter: ScaleAdapter, as type: ScaleType = .float32) throws -> ScaleAdapter {
    try withTemporaryFolder { folder in
      try adapter.write(to: folder + "/a.safetensors", as: type)
      return try ScaleAdapter(path: folder + "/a.safetensors")
    }
  }

  /// Some steps of Adam towards random outputs.
  private func train(_ model: TwoLayers, _ layers: ScaleTunedLayers, seed: UInt64) {
    var generator = Philox(seed: seed)
    let x = Variable(.normal([16, 20], using: &generator))
    let target = Variable(.normal([16, 6], using: &generator))
    let optimizer = Adam([ParameterGroup(layers.parameters)], learningRate: 0.02)
    for _ in 0..<5 {
      let difference = model(x) - target
      (difference * difference).mean().backward()
      optimizer.step()
      for parameter in layers.parameters { parameter.clearGradient() }
    }
  }

  @Test(arguments: granularities) func layersStartAsThePackedOnesAre(
    granularity: Granularity
  ) throws {
    let model = try model(granularity)
    var generator = Philox(seed: 2)
    for rows in [1, 4, 40] {
      let x = Tensor<Float>.normal([rows, 20], using: &generator)
      let expected = model(x)
      let tuned = try self.model(granularity)
      #expect(try tuned.usePEQA() == 2)
      #expect(tuned(x) == expected)
    }
  }

  @Test(arguments: granularities) func gradientsAreTheDenseOnes(granularity: Granularity) throws {
    let model = try model(granularity)
    try model.usePEQA()
    let layer = try #require(model.first as? PEQALinear)
    var generator = Philox(seed: 3)
    let x = Parameter(.normal([2, 7, 20], using: &generator))
    let weights = Variable(.normal([2, 7, 12], using: &generator))
    (layer(x.variable) * weights).sum().backward()
    // G of the dense weight, then the sums by their definition.
    let flat = x.value.reshaped(to: [14, 20])
    let g = weights.value.reshaped(to: [14, 12]).matmul(flat, transposingSelf: true)
    let grids = layer.base.expandedGrids()
    let codes = layer.base.dequantized() / grids.stepSizes
    let layout = granularity.layout(for: [12, 20])
    var expected = Tensor<Float>.zeros(layout.shape)
    for row in 0..<12 {
      for column in 0..<20 {
        let index =
          row / layout.rowsPerGroup * layout.columnGroups + column / layout.columnsPerGroup
        let term = (g * codes)[row].elements[column]
        expected.withUnsafeMutableElements { $0[index] += term }
      }
    }
    expectClose(try #require(layer.scales.gradient), expected, absolute: 1e-3)
    let dx = weights.value.matmul(layer.base.dequantized())
    expectClose(try #require(x.gradient), dx, absolute: 1e-4)
  }

  /// ∂L/∂s does not depend on s: neither where it crosses zero.
  @Test(arguments: [Granularity.tensor, .outputChannel]) func scalesOfZeroHaveGradients(
    granularity: Granularity
  ) throws {
    let model = try model(granularity)
    try model.usePEQA()
    let layer = try #require(model.first as? PEQALinear)
    var generator = Philox(seed: 8)
    let x = Variable(.normal([14, 20], using: &generator))
    let weights = Variable(.normal([14, 12], using: &generator))
    func gradient() throws -> Tensor<Float> {
      layer.scales.clearGradient()
      (layer(x) * weights).sum().backward()
      return try #require(layer.scales.gradient)
    }
    let expected = try gradient()
    var scales = layer.scales.value
    scales.withUnsafeMutableElements { $0[0] = 0 }
    layer.scales.value = scales
    expectClose(try gradient(), expected, relative: 1e-4, absolute: 1e-3)
  }

  /// What is computed again in the backward pass is the same, whatever task inference is set to.
  @Test(arguments: granularities) func recomputedStepsTrainTheirOwnScales(
    granularity: Granularity
  ) throws {
    let model = try model(granularity)
    try model.usePEQA()
    let layers = try ScaleTunedLayers(of: model)
    var generator = Philox(seed: 9)
    let x = Tensor<Float>.normal([14, 20], using: &generator)
    var task = layers.adapter(task: "other")
    task.scales = task.scales.mapValues { $0 * 2 }
    try layers.add(task)
    func step(recomputes: Bool) -> (Float, [Tensor<Float>?]) {
      let loss =
        (recomputes ? checkpointed(Variable(x)) { model($0) } : model(Variable(x))).sum()
      loss.backward()
      let gradients = layers.parameters.map(\.gradient)
      for parameter in layers.parameters { parameter.clearGradient() }
      return (loss.item, gradients)
    }
    let expected = step(recomputes: false)
    try layers.activate("other")
    for recomputes in [false, true] {
      let found = step(recomputes: recomputes)
      #expect(found.0 == expected.0 && found.1 == expected.1)
    }
  }

  @Test func orderedInputsKeepTheirGradients() throws {
    var generator = Philox(seed: 4)
    let weight = Tensor<Float>.normal([10, 16], using: &generator)
    let inputs = Tensor<Float>.normal([40, 16], using: &generator)
    let scheme = try WeightScheme(
      grid: QuantizationGrid(bits: 3),
      granularity: .inputGroups(4),
      scaleType: .float32
    )
    let matrix = try GPTQ(order: .activation).quantize(
      weight,
      hessian: CalibrationHessian(inputs),
      scheme: scheme
    ).matrix
    try #require(matrix.inputOrder != nil)
    let layer = PEQALinear(matrix)
    let x = Parameter(inputs)
    let weights = Variable(.normal([40, 10], using: &generator))
    let loss = { (layer(x.variable) * weights).sum() }
    loss().backward()
    let gradient = try #require(layer.scales.gradient)
    // The loss is linear in the scales: a difference quotient is exact but for rounding.
    for index in [0, 7, 39] {
      let start: Tensor<Float> = layer.scales.value
      var changed = start
      changed.withUnsafeMutableElements { $0[index] += 1 }
      let before: Float = loss().item
      layer.scales.value = changed
      let after: Float = loss().item
      layer.scales.value = start
      expectClose([after - before], [gradient.elements[index]], relative: 1e-3, absolute: 1e-2)
    }
    let dx = weights.value.matmul(matrix.dequantized())
    expectClose(try #require(x.gradient), dx, absolute: 1e-4)
  }

  @Test(arguments: granularities) func tasksComeAndGoBitForBit(granularity: Granularity) throws {
    let model = try model(granularity)
    try model.usePEQA()
    let layers = try ScaleTunedLayers(of: model)
    var generator = Philox(seed: 5)
    let x = Tensor<Float>.normal([9, 20], using: &generator)
    let base = model(x)
    let words = layers.entries.compactMap { ($0.layer as? PEQALinear)?.base.words }
    var outputs: [String: Tensor<Float>] = [:]
    for (seed, task) in ["law", "medicine"].enumerated() {
      layers.reset()
      #expect(model(x) == base)
      train(model, layers, seed: UInt64(seed))
      outputs[task] = model(x)
      #expect(outputs[task] != base)
      try layers.add(self.read(layers.adapter(task: task, step: 5)))
    }
    #expect(words == layers.entries.compactMap { ($0.layer as? PEQALinear)?.base.words })
    layers.reset()
    for task in ["law", "medicine", "law"] {
      try layers.activate(task)
      #expect(model(x) == outputs[task])
      try layers.activate(nil)
      #expect(model(x) == base)
    }
    // One batch of rows of both tasks and of the base.
    let rows: [String?] = ["law", nil, "medicine", "medicine", "law", nil, "law", "law", nil]
    let mixed = try layers.withTasks(ofRows: rows) { model(x) }
    for (row, task) in rows.enumerated() {
      let expected = (task.flatMap { outputs[$0] } ?? base)[row]
      expectClose(mixed[row], expected, relative: 1e-5, absolute: 1e-5)
    }
    #expect(model(x) == base)
    // What is merged is what was tuned.
    train(model, layers, seed: 0)
    let merged = TwoLayers(
      try #require(model.first as? PEQALinear).packed(),
      try #require(model.second as? PEQALinear).packed()
    )
    #expect(merged(x) == outputs["law"])
  }

  @Test func alphaTuningKeepsItsPlanes() throws {
    var generator = Philox(seed: 6)
    let dense = TwoLayers(
      Linear(inputWidth: 20, outputWidth: 12, using: &generator),
      Linear(inputWidth: 12, outputWidth: 6, using: &generator)
    )
    let x = Tensor<Float>.normal([9, 20], using: &generator)
    let coding = try BinaryCoding(planes: 3, groupSize: 10)
    #expect(try dense.useAlphaTuning(coding, where: { _ in true }) == 2)
    let layers = try ScaleTunedLayers(of: dense)
    let (base, digest) = (dense(x), layers.baseDigest)
    train(dense, layers, seed: 7)
    let tuned = dense(x)
    #expect(tuned != base)
    let first = try #require(dense.first as? AlphaTuningLinear)
    #expect(first.scales.shape == [12, 2, 1])
    #expect(try ScaleTunedLayers(of: dense).baseDigest == digest)
    let adapter = layers.adapter(task: "t")
    layers.reset()
    #expect(dense(x) == base)
    try layers.add(adapter)
    try layers.activate("t")
    #expect(dense(x) == tuned)
  }

  /// Tasks that train fewer planes than the layers do compute what they were trained to.
  @Test func tasksOfOnePlaneAndOfAllShareABase() throws {
    func model(trainedPlanes: Int) throws -> TwoLayers {
      var generator = Philox(seed: 6)
      let model = TwoLayers(
        Linear(inputWidth: 20, outputWidth: 12, using: &generator),
        Linear(inputWidth: 12, outputWidth: 6, using: &generator)
      )
      let coding = try BinaryCoding(planes: 3, groupSize: 16)
      try model.useAlphaTuning(coding, trainedPlanes: trainedPlanes, where: { _ in true })
      return model
    }
    var generator = Philox(seed: 3)
    let x = Tensor<Float>.normal([9, 20], using: &generator)
    let one = try model(trainedPlanes: 1)
    let layersOfOne = try ScaleTunedLayers(of: one)
    train(one, layersOfOne, seed: 7)
    let (task, tuned) = (layersOfOne.adapter(task: "one"), one(x))
    // The second layer's row is shorter than a group.
    #expect(task.group == "16" && task.trainedPlanes == 1)

    let all = try model(trainedPlanes: 3)
    let layersOfAll = try ScaleTunedLayers(of: all)
    let base = all(x)
    train(all, layersOfAll, seed: 8)
    let tunedAll = all(x)
    try layersOfAll.add(layersOfAll.adapter(task: "all"))
    try layersOfAll.add(task)
    layersOfAll.reset()
    #expect(all(x) == base)
    try layersOfAll.activate("one")
    #expect(all(x) == tuned)
    try layersOfAll.activate("all")
    #expect(all(x) == tunedAll)

    // The other way round there is no place for the scales, and the base is still no foreign one.
    let wide = layersOfAll.adapter(task: "wide")
    #expect {
      try layersOfOne.add(wide)
    } throws: { error in
      guard case .layers(_, let reason)? = error as? ScaleAdapterError else { return false }
      return reason.contains("3 planes")
    }
    #expect(throws: ScaleAdapterError.self) { try task.changes(to: wide) }
    // Scales of frozen planes that are others make another base.
    let other = try model(trainedPlanes: 1)
    let coded = try #require(other.first as? AlphaTuningLinear)
    other.first = AlphaTuningLinear(coded.base.replacing(scales: coded.base.scales * 2))
    #expect {
      try ScaleTunedLayers(of: other).add(task)
    } throws: { error in
      if case .foreignBase? = error as? ScaleAdapterError { true } else { false }
    }
  }

  /// Layers of every kind keep their bias when they are coded anew.
  @Test func codedLayersKeepTheirBias() throws {
    var generator = Philox(seed: 10)
    let coding = try BinaryCoding(planes: 2)
    let weight = Tensor<Float>.normal([12, 20], using: &generator)
    let bias = Tensor<Float>.normal([12], using: &generator)
    let coded = BinaryCodedLinear(weight: try coding.quantize(weight), bias: bias)
    let adapted = LowRankLinear(
      Linear(inputWidth: 12, outputWidth: 6, using: &generator),
      rank: 2,
      using: &generator
    )
    let model = TwoLayers(coded, adapted)
    let second = adapted.denseBias()
    try model.useAlphaTuning(coding, where: { $0 == "first" || $0 == "second" })
    #expect(try #require(model.first as? AlphaTuningLinear).bias == bias)
    #expect(try #require(model.second as? AlphaTuningLinear).bias == second)
  }

  @Test func foreignAndDamagedAdaptersAreRefused() throws {
    let model = try model(.outputChannel)
    try model.usePEQA()
    let layers = try ScaleTunedLayers(of: model)
    let other = try self.model(.outputChannel, seed: 9)
    try other.usePEQA()
    let foreign = try ScaleTunedLayers(of: other).adapter(task: "foreign")
    #expect(throws: ScaleAdapterError.self) { try layers.add(foreign) }
    #expect(throws: ScaleAdapterError.self) { try layers.load(foreign) }
    #expect(throws: ScaleAdapterError.unknownTask("nobody", known: [])) {
      try layers.activate("nobody")
    }
    let good = layers.adapter(task: "good")
    var bad = good
    bad.scales["first"] = nil
    #expect(throws: ScaleAdapterError.self) { try layers.add(bad) }
    bad = good
    bad.scales["third"] = Tensor([1], shape: [1, 1])
    #expect(throws: ScaleAdapterError.self) { try layers.add(bad) }
    bad = good
    bad.scales["first"] = .ones([12, 2])
    #expect(
      throws: ScaleAdapterError.shape(
        task: "good",
        layer: "first",
        expected: [12, 1],
        found: [12, 2]
      )
    ) { try layers.add(bad) }
    bad = good
    bad.scales["first"] = Tensor(repeating: .nan, shape: [12, 1])
    #expect(throws: ScaleAdapterError.self) { try self.read(bad) }
    let halves = try self.read(good, as: .float16)
    #expect(halves.step == 0 && halves.task == "good" && halves.baseDigest == layers.baseDigest)
    #expect(layers.tasks.isEmpty)
    #expect(throws: ScaleAdapterError.self) {
      try ScaleTunedLayers(of: try self.model(.outputChannel))
    }
  }
}
