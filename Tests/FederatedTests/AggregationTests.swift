import Tensor
import TestSupport
import Testing

@testable import Federated

@Suite struct AggregationTests {
  let model = SampleModels.convolution
  let global = SampleModels.parameters(SampleModels.convolution, seed: 1)

  /// A device for each plan.
  private func contributions() throws -> [Contribution] {
    let compression = ComposedCompression(model)
    return try SampleModels.plans.enumerated().map { index, plan in
      let local = try compression.compress(global, plan: plan, seed: UInt64(index))
      let update = ParameterUpdate(
        delta: SampleModels.change(local, seed: UInt64(index)),
        exampleCount: 3 + 7 * index
      )
      return Contribution(
        client: index,
        update: try compression.lift(update, of: local),
        exampleCount: update.exampleCount
      )
    }
  }

  /// The definition, entry by entry.
  @Test func meanAgreesWithItsDefinition() throws {
    let contributions = try contributions()
    let result = CoverageMean(overlapFloor: 4)(contributions, like: global)
    for (place, (name, shape)) in global.shapes.enumerated() {
      var sums = [Double](repeating: 0, count: shape.count)
      var (weights, counts) = (sums, [Int32](repeating: 0, count: shape.count))
      for contribution in contributions {
        guard let coverage = contribution.update.coverage[name] else { continue }
        let delta = try #require(contribution.update.expanded(like: global)[name])
        let mask = coverage.mask(of: shape)
        for index in 0..<shape.count where mask[index] {
          sums[index] += Double(contribution.exampleCount) * Double(delta.elements[index])
          weights[index] += Double(contribution.exampleCount)
          counts[index] += 1
        }
      }
      let expected = sums.indices.map { counts[$0] >= 4 ? Float(sums[$0] / weights[$0]) : 0 }
      expectClose(result.average.tensors[place].elements, expected, absolute: 1e-7, name)
      #expect(result.counts[place].elements == counts)
      #expect(result.weights.tensors[place].elements == weights.map { Float($0) })
      let applied = result.applied[name]?.mask(of: shape) ?? BitSet(count: shape.count)
      #expect(applied == BitSet(counts.map { $0 >= 4 }))
    }
    #expect(result.histogram.reduce(0, +) == global.scalarCount)
    #expect(result.minimumCoverage == result.histogram.firstIndex { $0 > 0 })
  }

  @Test func orderAndThreadsDoNotCount() throws {
    let contributions = try contributions()
    let mean = CoverageMean()
    let once = mean(contributions, like: global)
    let turned = mean(contributions.reversed(), like: global)
    for (a, b) in zip(once.average.tensors, turned.average.tensors) {
      expectClose(a, b, absolute: 1e-6)
    }
    let threads = WorkPool.threadCount
    defer { WorkPool.threadCount = threads }
    WorkPool.threadCount = 1
    let serial = mean(contributions, like: global)
    WorkPool.threadCount = 4
    #expect(mean(contributions, like: global).average == serial.average)
    // A few at a time.
    var accumulator = CoverageAccumulator(like: global)
    for contribution in contributions { accumulator.add([contribution], weighting: .examples) }
    #expect(accumulator.mean(mean).average == serial.average)
  }

  @Test func wholeModelsAreFedAvg() throws {
    let compression = ComposedCompression(model)
    var (contributions, expected): ([Contribution], ParameterSet) = ([], .zeros(like: global))
    let counts = [10, 1, 5]
    for (index, count) in counts.enumerated() {
      let width = WidthPlan(.one, pattern: WidthPlan.Pattern.allCases[index])
      let plan = DevicePlan(width: width, round: index)
      let local = try compression.compress(global, plan: plan, seed: 4)
      let change = SampleModels.change(local, seed: UInt64(index))
      let update = ParameterUpdate(delta: change, exampleCount: count)
      contributions.append(
        Contribution(
          client: index,
          update: try compression.lift(update, of: local),
          exampleCount: count
        )
      )
      expected.add(global.adding(change), scale: Float(count) / 16)
    }
    var (updated, optimizer) = (global, ServerOptimizer())
    optimizer.step(&updated, by: CoverageMean()(contributions, like: global))
    for (a, b) in zip(updated.tensors, expected.tensors) { expectClose(a, b, absolute: 1e-6) }
  }

  @Test func uncoveredEntriesKeepValuesAndMoments() throws {
    let start = vector([1, 2, 3, 4])
    let coverage = CoverageSet(["w": .box([AxisIndices([1, 2], of: 4)])])
    let delta = vector([0.5, -0.5])
    let part = Contribution(
      client: 0,
      update: LiftedUpdate(delta: delta, coverage: coverage),
      exampleCount: 5
    )
    let full = contribution(vector([0.1, 0.1, 0.1, 0.1]))
    for rule in [
      ServerOptimizer.Rule.momentum(0.9), .adam(), .yogi(), .adagrad(beta1: 0.9),
    ] {
      var (x, optimizer) = (start, ServerOptimizer(rule))
      optimizer.step(&x, by: CoverageMean()([full], like: x))
      let (before, state) = (x.tensors[0].elements, optimizer.state())
      optimizer.step(&x, by: CoverageMean()([part], like: x))
      let (after, next) = (x.tensors[0].elements, optimizer.state())
      for index in [0, 3] {
        #expect(after[index] == before[index])
        #expect(next["m.w"]?.elements[index] == state["m.w"]?.elements[index])
        #expect(next["v.w"]?.elements[index] == state["v.w"]?.elements[index])
      }
      #expect(after[1] != before[1] && after[2] != before[2])
    }
  }

  @Test func weightsOfZeroChangeNothing() {
    let x = vector([1, 2])
    let result = CoverageMean()([contribution(vector([5, 5]), count: 0)], like: x)
    #expect(result.average.tensors[0].elements == [0, 0] && result.applied["w"] == nil)
    #expect(CoverageMean()([], like: x).minimumCoverage == 0)
  }

  @Test func stateThatDoesNotFitIsRefused() throws {
    var (x, optimizer) = (vector([1, 2]), ServerOptimizer(.adam()))
    optimizer.step(&x, by: CoverageMean()([contribution(vector([1, 1]))], like: x))
    let state = optimizer.state()
    var other = ServerOptimizer(.adam())
    #expect(throws: FederatedError.self) { try other.load(state, like: vector([1, 2, 3])) }
    #expect(throws: FederatedError.self) { try other.load(["step": Tensor([1])], like: x) }
    var plain = ServerOptimizer()
    #expect(throws: FederatedError.self) { try plain.load(state, like: x) }
    #expect(other.stepCount == 0 && plain.stepCount == 0)
  }

  /// Covered entries only; an outlier moves neither rule, and clipping bounds it.
  @Test func robustRulesRunOverCoveringDevices() {
    let x = vector([0, 0, 0])
    let prefix = CoverageSet(["w": .box([AxisIndices(prefix: 2, of: 3)])])
    let values: [[Float]] = [[1, 1], [2, 2], [1000, 3]]
    let contributions = values.enumerated().map {
      Contribution(
        client: $0,
        update: LiftedUpdate(delta: vector($1), coverage: prefix),
        exampleCount: 1
      )
    }
    let median = RobustAggregation(.median)(contributions, like: x)
    #expect(median.average.tensors[0].elements == [2, 2, 0])
    let trimmed = RobustAggregation(.trimmedMean(share: 0.34))(contributions, like: x)
    #expect(trimmed.average.tensors[0].elements == [2, 2, 0])
    #expect(median.applied["w"]?.mask(of: [3]).indices == [0, 1])
    let clipped = NormClipping(bound: 2)(contributions)
    expectClose(clipped.map(\.norm), [Double(2).squareRoot(), 2, 2], absolute: 1e-9)
    let best = Krum(byzantineCount: 0)(contributions, like: x)
    #expect(best.map(\.client) == [0] || best.map(\.client) == [1])
  }

  @Test func invalidUpdatesAreRejectedWithReasons() throws {
    let local = LocalModel(whole: vector([1, 2]))
    var checks = UpdateChecks(history: NormHistory(minimumCount: 3))
    func admit(_ delta: ParameterSet, count: Int = 1, steps: Int = 1) throws(UpdateRejection) {
      let update = ParameterUpdate(delta: delta, exampleCount: count, stepCount: steps)
      _ = try checks.admit(update, of: local, exampleLimit: 10)
    }
    for scale in 1...3 { try admit(vector([Float(scale), 0])) }
    #expect(checks.history.median == 2)
    #expect(throws: UpdateRejection.invalid(.notFinite(name: "w"))) {
      try admit(vector([.nan, 0]))
    }
    #expect(throws: UpdateRejection.exampleCount(found: 11, limit: 10)) {
      try admit(vector([1, 0]), count: 11)
    }
    #expect(throws: UpdateRejection.stepCount(0)) { try admit(vector([1, 0]), steps: 0) }
    #expect(throws: UpdateRejection.normTooLarge(found: 21, limit: 20)) {
      try admit(vector([21, 0]))
    }
    #expect(
      throws: UpdateRejection.invalid(.shapeMismatch(name: "w", expected: [2], found: [1]))
    ) { try admit(vector([1])) }
    try admit(vector([20, 0]))
  }
}

@Suite struct SelectionTests {
  /// Every place of many lists, with ties, sorted ones and turned ones.
  @Test func selectionAgreesWithSorting() {
    var generator = Philox(seed: 6)
    for count in [1, 2, 3, 11, 12, 13, 40, 100] {
      let random = Tensor<Float>.normal([count], using: &generator).elements
      let tied = random.map { ($0 * 2).rounded() }
      for list in [random, tied, random.sorted(), random.sorted(by: >)] {
        let sorted = list.sorted()
        for place in 0..<count {
          var values = list
          values.withUnsafeMutableBufferPointer { $0.select(place, in: 0..<count) }
          #expect(values[place] == sorted[place] && values.sorted() == sorted)
          #expect(values[..<place].allSatisfy { $0 <= values[place] })
          #expect(values[place...].allSatisfy { $0 >= values[place] })
        }
      }
    }
  }

  @Test func robustMeansOfManyDevicesAgreeWithSorting() {
    var generator = Philox(seed: 7)
    let rows = (0..<41).map { _ in Tensor<Float>.normal([5], using: &generator).elements }
    for devices in [40, 41] {
      let contributions = rows.prefix(devices).map { contribution(vector($0)) }
      let x = vector([0, 0, 0, 0, 0])
      let median = RobustAggregation(.median)(contributions, like: x).average.tensors[0]
      let trimmed = RobustAggregation(.trimmedMean(share: 0.1))(contributions, like: x)
        .average.tensors[0]
      for entry in 0..<5 {
        let sorted = rows.prefix(devices).map { $0[entry] }.sorted()
        let middle = (sorted[(devices - 1) / 2] + sorted[devices / 2]) / 2
        expectClose([median.elements[entry]], [middle], absolute: 1e-6)
        let kept = sorted[4..<devices - 4]
        let mean = kept.reduce(0, +) / Float(kept.count)
        expectClose([trimmed.elements[entry]], [mean], absolute: 1e-6)
      }
    }
  }
}
