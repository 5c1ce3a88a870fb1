import Autograd
import Tensor
import TestSupport
import Testing

@testable import Federated

@Suite struct CompressionTests {
  @Test func ratesRoundInIntegers() {
    #expect(Rate(7, of: 100).ceiling(of: 100) == 7)
    #expect(Rate(55, of: 100).ceiling(of: 100) == 55)
    #expect(Rate(1, of: 16).ceiling(of: 10) == 1)
    #expect(Rate(2, of: 8) == Rate(1, of: 4))
    #expect(Rate(validating: 0, of: 3) == nil && Rate(validating: 4, of: 3) == nil)
  }

  @Test func indicesComposeAndIntersect() {
    let odd = AxisIndices([7, 1, 3, 5, 3], of: 9)
    #expect(odd.runs == [1..<2, 3..<4, 5..<6, 7..<8] && odd.count == 4)
    #expect(odd.selecting(AxisIndices([1, 2], of: 4)).indices == [3, 5])
    #expect(odd.intersection(AxisIndices(prefix: 6, of: 9)).indices == [1, 3, 5])
    // Two heads of three channels, each at two places; channel 1 is kept.
    let wired = AxisIndices([1], of: 3).wired(blocks: 2, positions: 2)
    #expect(wired.indices == [2, 3, 8, 9] && wired.extent == 12)
  }

  /// Boxes agree with the definition by indices, for every kind of run.
  @Test func boxesAgreeWithTheirMasks() {
    var generator = Philox(seed: 3)
    let shape: Shape = [5, 4, 3, 2]
    let tensor = Tensor<Float>.normal(shape, using: &generator)
    for kept in [
      [[0, 1, 2, 3, 4], [0, 1, 2, 3], [0, 1, 2], [0, 1]], [[1, 4], [0, 2, 3], [1, 2], [0, 1]],
      [[0, 1], [3], [0, 1, 2], [1]], [[2], [], [1], [0]],
    ] {
      let box = Coverage.box(zip(kept, shape.extents).map { AxisIndices($0, of: $1) })
      var expected: [Float] = []
      for a in kept[0] {
        for b in kept[1] {
          for c in kept[2] { for d in kept[3] { expected.append(tensor[a][b][c][d].item) } }
        }
      }
      let part = box.part(of: tensor)
      #expect(part.elements == expected && part.shape.extents == kept.map(\.count))
      let whole = box.expanded(part, to: shape)
      #expect(whole == Coverage.bits(box.mask(of: shape)).part(of: tensor))
    }
  }

  @Test(arguments: SampleModels.all) func liftOfNothingIsNothing(model: ModelDescription) throws {
    let global = SampleModels.parameters(model, seed: 1)
    for plan in SampleModels.plans {
      let compression = ComposedCompression(model)
      let local = try compression.compress(global, plan: plan, seed: 9)
      let nothing = ParameterUpdate(delta: .zeros(like: local.parameters), exampleCount: 1)
      let lifted = try compression.lift(nothing, of: local)
      #expect(lifted.delta.tensors.allSatisfy { $0.elements.allSatisfy { $0 == 0 } }, "\(plan)")
      for (name, tensor) in lifted.delta.entries {
        let shape = try #require(global[name]?.shape)
        let coverage = try #require(lifted.coverage[name])
        #expect(coverage.fits(shape) && tensor.shape == coverage.partShape(of: shape))
      }
    }
  }

  /// The lift is what the device's effective weights changed by, in its own entries, and only there.
  @Test(arguments: SampleModels.all) func liftIsTheChange(model: ModelDescription) throws {
    let global = SampleModels.parameters(model, seed: 2)
    for (index, plan) in SampleModels.plans.enumerated() {
      if case .fakeQuantized? = plan.lowBit?.training { continue }
      let compression = ComposedCompression(model)
      let local = try compression.compress(global, plan: plan, seed: 9)
      let change = SampleModels.change(local, seed: UInt64(index))
      var trained = local
      trained.parameters = local.parameters.adding(change)
      let lifted = try compression.lift(
        ParameterUpdate(delta: change, exampleCount: 1),
        from: global,
        plan: plan,
        seed: 9
      )
      let expanded = lifted.expanded(like: global)
      for (name, tensor) in global.entries {
        let found = try #require(expanded[name])
        guard let slice = local.slices[name], let coverage = lifted.coverage[name] else {
          #expect(found == .zeros(tensor.shape), "\(plan) \(name)")
          continue
        }
        let difference = try trained.effective(name) - local.effective(name)
        expectClose(
          found,
          slice.expanded(difference, to: tensor.shape),
          absolute: 2e-6,
          "\(plan) \(name)"
        )
        let outside = coverage.mask(of: tensor.shape)
        let stray = found.elements.enumerated().contains { $1 != 0 && !outside[$0] }
        #expect(!stray, "\(plan) \(name)")
      }
    }
  }

  @Test func slicesKeepHeadsAndTheirPairs() throws {
    let model = SampleModels.decoder
    let slicing = WidthSlicing(model)
    let coverage = slicing.coverage(.slice(Rate(1, of: 2)), seed: 0)
    // Four heads of six: two halves of three channels each, of which two remain.
    guard case .box(let axes)? = coverage["model.layers.0.self_attn.q_proj.weight"] else {
      Issue.record("no box")
      return
    }
    #expect(axes[0].indices == [0, 1, 3, 4, 6, 7, 9, 10, 12, 13, 15, 16, 18, 19, 21, 22])
    #expect(axes[1].indices == Array(0..<6))
    #expect(coverage["model.layers.2.mlp.up_proj.weight"]?.partShape(of: [9, 12]) == [5, 6])
    // Flattened planes: all places of each channel.
    let planes = WidthSlicing(SampleModels.convolution).coverage(.slice(Rate(1, of: 2)), seed: 0)
    #expect(planes["fc.weight"]?.partShape(of: [3, 20]) == [3, 12])
    #expect(planes["conv1.weight"]?.partShape(of: [6, 2, 3, 3]) == [3, 2, 3, 3])
  }

  @Test func rollingWindowsCoverAllChannelsEvenly() {
    let slicing = WidthSlicing(SampleModels.mlp)
    var counts = [Int](repeating: 0, count: 10)
    for round in 0..<10 {
      let width = WidthPlan(Rate(3, of: 10), pattern: .rolling)
      let plan = DevicePlan(width: width, round: round)
      let kept = slicing.keptChannels(plan, seed: 0)["hidden.0"]
      for channel in kept?.indices ?? [] { counts[channel] += 1 }
      #expect(kept?.contains(round) == true)
    }
    #expect(counts == [Int](repeating: 3, count: 10))
  }

  @Test func randomSlicesFollowTheSeed() {
    let slicing = WidthSlicing(SampleModels.mlp)
    let plan = DevicePlan(width: WidthPlan(Rate(1, of: 2), pattern: .random))
    #expect(slicing.coverage(plan, seed: 1) == slicing.coverage(plan, seed: 1))
    #expect(slicing.coverage(plan, seed: 1) != slicing.coverage(plan, seed: 2))
  }

  @Test func orderedDropoutPrefixesNest() throws {
    let slicing = WidthSlicing(SampleModels.mlp)
    let plan = DevicePlan(width: WidthPlan(Rate(1, of: 2), pattern: .ordered))
    let dropout = OrderedDropout(upTo: Rate(1, of: 2))
    #expect(dropout.rates == [16, 8, 4, 2].map { Rate(1, of: $0) })
    let outer = slicing.coverage(plan, seed: 0)
    for rate in dropout.rates {
      let inner = try slicing.prefix(rate, of: plan)
      let direct = slicing.coverage(.slice(rate), seed: 0)
      let global = SampleModels.parameters(SampleModels.mlp, seed: 1)
      #expect(outer.selecting(inner, in: global) == direct)
    }
    #expect(throws: FederatedError.self) { try slicing.prefix(.one, of: plan) }
  }

  @Test func masksKeepTiesOfLowerIndex() {
    let weight = Tensor<Float>([1, -2, 2, 0, -2, 1], shape: [2, 3])
    let plan = MaskPlan(density: Rate(1, of: 3), scope: .layer)
    #expect(MagnitudeMask.masks(plan, of: [weight])[0].indices == [1, 2])
    let pairs = MaskPlan(density: .one, scope: .neighbours(kept: 1, outOf: 2))
    #expect(MagnitudeMask.masks(pairs, of: [weight])[0].indices == [1, 2, 4, 5])
  }

  @Test func regrowthAddsEntriesThatWereMasked() throws {
    let model = SampleModels.mlp
    let global = SampleModels.parameters(model, seed: 5)
    func mask(_ regrowth: Rate?, _ seed: UInt64) throws -> BitSet {
      let plan = DevicePlan(mask: MaskPlan(density: Rate(1, of: 2), regrowth: regrowth))
      let local = try MagnitudeMask(model).compress(global, plan: plan, seed: seed)
      return try #require(local.masks["layers.0.weight"])
    }
    let (plain, grown) = (try mask(nil, 1), try mask(Rate(1, of: 20), 1))
    #expect(plain.intersection(grown) == plain)
    #expect(grown.setCount == plain.setCount + Rate(1, of: 20).ceiling(of: plain.count))
    #expect(try mask(Rate(1, of: 20), 2) != grown)
  }

  @Test func fakeQuantizationRoundsRowsAndPassesGradients() {
    let weight = Tensor<Float>([1, -0.6, 0.2, 0, 0, 0], shape: [2, 3])
    // Q = 1: s = 1 in the first row; the second has only zeros.
    #expect(fakeQuantized(weight, bits: 2).elements == [1, -1, 0, 0, 0, 0])
    let variable = Variable(following: weight)
    (fakeQuantized(variable, bits: 2) * 3).sum().backward()
    #expect(variable.gradient == Tensor(repeating: 3, shape: [2, 3]))
  }

  @Test func plansThatDoNotFitAreRefused() throws {
    let global = SampleModels.parameters(SampleModels.mlp, seed: 1)
    let masked = DevicePlan(mask: MaskPlan(density: .one))
    #expect(throws: FederatedError.self) {
      try WidthSlicing(SampleModels.mlp).compress(global, plan: masked, seed: 0)
    }
    let both = DevicePlan(mask: MaskPlan(density: .one), rank: .fixed(1))
    let composed = ComposedCompression(SampleModels.mlp)
    #expect(throws: FederatedError.self) { try composed.compress(global, plan: both, seed: 0) }
    let deep = DevicePlan(depth: 9)
    #expect(throws: FederatedError.self) { try composed.compress(global, plan: deep, seed: 0) }
    #expect(throws: FederatedError.self) {
      try ComposedCompression(SampleModels.decoder).compress(global, plan: .full, seed: 0)
    }
  }

  @Test func depthLeavesTheBlocksAndTheHead() throws {
    let model = SampleModels.decoder
    let global = SampleModels.parameters(model, seed: 1)
    let local = try DepthCut(model).compress(global, plan: DevicePlan(depth: 2), seed: 0)
    #expect(local.parameters["model.layers.1.mlp.up_proj.weight"] != nil)
    #expect(local.parameters["model.layers.2.mlp.up_proj.weight"] == nil)
    #expect(local.parameters["model.norm.weight"] != nil)
    #expect(local.coverage["model.layers.2.mlp.up_proj.weight"] == nil)
  }

  /// The description that we make by hand names a real module's parameters.
  @Test func descriptionFitsTheNetwork() throws {
    var generator = Philox(seed: 1)
    let network = MLP(widths: [13, 10, 7, 4], using: &generator)
    let parameters = ParameterSet(of: network)
    try SampleModels.mlp.check(parameters)
    try parameters.scaled(by: 2).load(into: network)
    #expect(ParameterSet(of: network) == parameters.scaled(by: 2))
    #expect(throws: FederatedError.self) { try vector([1]).load(into: network) }
  }
}
