import Autograd
import Foundation
import Quantization
import Tensor
import TestSupport
import Testing

/// Weights that no model should have, and some have: every method gives a sound result or says why
/// not.
@Suite struct BlockEdgeCaseTests {
  struct Oddity: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let change: @Sendable (Tensor<Float>) -> Tensor<Float>
  }

  private static func rows(_ shape: Shape) -> Tensor<Float> {
    Tensor((0..<shape[0]).map { Float($0) }, shape: [shape[0], 1])
  }

  private static func columns(_ shape: Shape) -> Tensor<Float> {
    Tensor((0..<shape[1]).map { Float($0) }, shape: [1, shape[1]])
  }

  static let oddities = [
    Oddity(testDescription: "zero rows") { w in select(rows(w.shape) .< 3, w * 0, w) },
    Oddity(testDescription: "zero columns") { w in select(columns(w.shape) .< 9, w * 0, w) },
    Oddity(testDescription: "all zero") { $0 * 0 },
    Oddity(testDescription: "constant") { $0 * 0 + 0.3 },
    Oddity(testDescription: "positive") { $0.abs() + 0.1 },
    Oddity(testDescription: "negative") { $0.abs() * -1 - 0.1 },
    Oddity(testDescription: "tiny") { $0 * 1e-20 },
    Oddity(testDescription: "one outlier") { w in
      select((rows(w.shape) .== 1) .& (columns(w.shape) .== 1), w * 0 + 50, w)
    },
  ]

  private static func granularities(for method: RoundingMethod) -> [Granularity] {
    // 16 and 32 inputs and outputs: groups of 7 and of 5 end in a short one.
    let groups: [Granularity] = [.inputGroups(7), .inputGroups(8)]
    return switch method {
    case .adaDim: groups
    case .learned: [.inputGroups(7), .outputGroups(5), .outputChannel, .tensor]
    case .nearest, .gptq:
      groups + [.outputChannel, .tensor, .outputGroups(5), .outputGroups(8)]
    }
  }

  private static func schemes(for method: RoundingMethod) throws -> [WeightScheme] {
    let ranges = method == .nearest ? RangeEstimation.allCases : [.minMax]
    return try granularities(for: method).flatMap { granularity in
      try [false, true].flatMap { isSymmetric in
        try ranges.map { range in
          try WeightScheme(
            grid: QuantizationGrid(bits: 3, isSymmetric: isSymmetric),
            granularity: granularity,
            range: range
          )
        }
      }
    }
  }

  @Test(arguments: BlockQuantizerTests.methods(), oddities)
  func resultsAreSound(method: RoundingMethod, oddity: Oddity) throws {
    try withTemporaryFolder { folder in
      for (number, scheme) in try Self.schemes(for: method).enumerated() {
        let stack = ToyStack(blockCount: method == .nearest ? 1 : 2, change: oddity.change)
        let blocks = try BlockQuantizer(
          BlockQuantizerSettings(method: method, scheme: scheme)
        ).run(stack, samples: ToyStack.samples(6), in: folder + "/\(number)")
        for name in blocks.layerNames {
          let matrix = try #require(try blocks.matrix(name))
          let values = matrix.dequantized()
          #expect(values.elements.allSatisfy { $0.isFinite }, "\(name)")
          let report = try #require(blocks.report(of: name))
          #expect(report.relativeError.isFinite && report.relativeError < 3, "\(name)")
        }
        let end = try #require(blocks.reports.last)
        #expect(end.relativeError.isFinite)
      }
    }
  }

  @Test(arguments: BlockQuantizerTests.methods(), [Float.nan, .infinity])
  func whatIsNotFiniteIsRefusedByName(method: RoundingMethod, value: Float) throws {
    try withTemporaryFolder { folder in
      let stack = ToyStack(blockCount: 1) { w in
        select(
          (Self.rows(w.shape) .== 4) .& (Self.columns(w.shape) .== 2),
          Tensor(repeating: value, shape: w.shape),
          w
        )
      }
      let error = #expect(throws: QuantizationError.self) {
        try BlockQuantizer(BlockQuantizerTests.settings(method)).run(
          stack,
          samples: ToyStack.samples(4),
          in: folder + "/work"
        )
      }
      let text = error.map { "\($0)" } ?? ""
      #expect(text.contains("layers.0."), "\(text)")
    }
  }

  /// A stack whose embedding, or whose blocks, make something that is no number of some tokens.
  private struct OverflowingStack: BlockStack {
    let base = ToyStack(blockCount: 2)
    /// The block that overflows; nil for the embedding.
    let place: Int?

    var blockCount: Int { base.blockCount }
    func embedding(_ samples: Tensor<Int32>) -> Tensor<Float> {
      let states = base.embedding(samples)
      guard place == nil else { return states }
      let isFour = samples.reshaped(to: Shape(samples.shape.extents + [1])) .== 4
      return select(isFour, states * .infinity, states)
    }
    func block(_ index: Int) throws -> any StackedBlock {
      let block = base.block(index)
      if index == place, let toy = block as? ToyBlock, let scale = toy.norm.weight {
        scale.value = scale.value * .nan
      }
      return block
    }
    func head(_ states: Variable) throws -> Variable { base.head(states) }
    func checkpointName(of path: String, inBlock index: Int) -> String {
      base.checkpointName(of: path, inBlock: index)
    }
  }

  /// No method can learn from NaN, and none may take round-to-nearest in silence instead.
  @Test(arguments: BlockQuantizerTests.methods())
  func statesThatAreNotFiniteAreRefused(method: RoundingMethod) throws {
    try withTemporaryFolder { folder in
      let samples = Tensor<Int32>([1, 2, 3, 5, 4, 6, 7, 8, 9], shape: [3, 3])
      let settings = try BlockQuantizerTests.settings(method)
      let places: [(Int?, String, Int)] = [(nil, "the embedding", 1), (1, "block 1", 0)]
      for (place, name, sample) in places {
        #expect(throws: QuantizationError.notFiniteStates(place: name, sample: sample)) {
          try BlockQuantizer(settings).run(
            OverflowingStack(place: place),
            samples: samples,
            in: folder + "/" + (place == nil ? "embedding" : "block")
          )
        }
      }
      // What was finished before stays.
      #expect(try QuantizedBlocks(folder + "/block").reports.count == 1)
    }
  }

  /// A training whose losses are no numbers leaves round-to-nearest, says so, and the run goes on.
  @Test(arguments: [
    LearnedRoundingMethod.flexRound(), .lrq(LRQ.Configuration(rank: .fixed(2))), .adaRound(),
  ])
  func trainingsThatDivergeAreReported(method: LearnedRoundingMethod) throws {
    try withTemporaryFolder { folder in
      let settings = ReconstructionSettings(steps: 12, batchSize: 4, learningRate: 1e30)
      let blocks = try BlockQuantizer(
        BlockQuantizerSettings(
          method: .learned(method, settings),
          scheme: try BlockQuantizerTests.scheme()
        )
      ).run(ToyStack(), samples: ToyStack.samples(12), in: folder + "/work")
      let nearest = try BlockQuantizer(BlockQuantizerTests.settings(.nearest)).run(
        ToyStack(),
        samples: ToyStack.samples(12),
        in: folder + "/nearest"
      )
      for report in blocks.reports {
        let reconstruction = try #require(report.reconstruction)
        #expect(reconstruction.error <= reconstruction.startError)
        guard reconstruction.choice == .start else { continue }
        for layer in report.layers {
          let (found, expected) = (try blocks.matrix(layer.name), try nearest.matrix(layer.name))
          #expect(found?.codes().elements == expected?.codes().elements, "\(layer.name)")
        }
      }
      #expect(blocks.reports.count == 3)
      #expect(
        blocks.reports.contains {
          $0.reconstruction?.losses.contains { !$0.isFinite } == true
        } || method == .adaRound()
      )
    }
  }

  @Test func adaDimNeedsGroups() throws {
    try withTemporaryFolder { folder in
      let settings = BlockQuantizerSettings(
        method: .adaDim(.nearest),
        scheme: try BlockQuantizerTests.scheme()
      )
      let error = #expect(throws: QuantizationError.self) {
        try BlockQuantizer(settings).run(
          ToyStack(),
          samples: ToyStack.samples(4),
          in: folder + "/work"
        )
      }
      #expect(error.map { "\($0)".contains("set a group size") } == true)
      #expect(!FileManager.default.fileExists(atPath: folder + "/work"), "nothing was begun")
    }
  }

  /// The size of a scheme's groups is all that AdaDim takes from it, not their dimension.
  @Test(arguments: [AdaDim.Base.nearest, .gptq()])
  func adaDimChoosesWhicheverDimensionTheSchemeHas(base: AdaDim.Base) throws {
    try withTemporaryFolder { folder in
      func blocks(_ granularity: Granularity, _ name: String) throws -> QuantizedBlocks {
        try BlockQuantizer(
          BlockQuantizerSettings(
            method: .adaDim(base),
            scheme: try BlockQuantizerTests.scheme(3, granularity)
          )
        ).run(ToyStack(), samples: ToyStack.samples(6), in: folder + "/" + name)
      }
      let (rows, columns) = (
        try blocks(.inputGroups(8), "rows"), try blocks(.outputGroups(8), "columns")
      )
      for name in rows.layerNames {
        #expect(rows.scheme(of: name) == columns.scheme(of: name))
        let matrix = try #require(try columns.matrix(name))
        #expect(try rows.matrix(name)?.dequantized() == matrix.dequantized())
      }
    }
  }

  @Test func oneSampleOfOneTokenIsEnough() throws {
    try withTemporaryFolder { folder in
      for (number, method) in BlockQuantizerTests.methods().enumerated() {
        let blocks = try BlockQuantizer(BlockQuantizerTests.settings(method)).run(
          ToyStack(blockCount: 1),
          samples: Tensor<Int32>([3], shape: [1, 1]),
          in: folder + "/\(number)"
        )
        #expect(try #require(blocks.reports.first).relativeError.isFinite)
      }
    }
  }
}
