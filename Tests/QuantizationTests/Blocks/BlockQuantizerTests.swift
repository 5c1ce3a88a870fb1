import Autograd
import Foundation
import Quantization
import Tensor
import TestSupport
import Testing

@Suite struct BlockQuantizerTests {
  static func scheme(
    _ bits: Int = 3,
    _ granularity: Granularity = .outputChannel
  ) throws -> WeightScheme {
    try WeightScheme(grid: QuantizationGrid(bits: bits), granularity: granularity)
  }

  static func methods() -> [RoundingMethod] {
    let short = ReconstructionSettings(steps: 12, batchSize: 4)
    return [
      .nearest, .gptq(), .adaDim(.nearest), .adaDim(.gptq()), .learned(.flexRound(), short),
      .learned(.lrq(LRQ.Configuration(rank: .fixed(2))), short),
    ]
  }

  static func settings(_ method: RoundingMethod) throws -> BlockQuantizerSettings {
    var granularity = Granularity.outputChannel
    if case .adaDim = method { granularity = .inputGroups(8) }
    return BlockQuantizerSettings(method: method, scheme: try scheme(3, granularity))
  }

  /// All bytes of the finished blocks, without the seconds that they took.
  func results(_ folder: String) throws -> [[Float]] {
    let blocks = try QuantizedBlocks(folder)
    return try blocks.layerNames.map { name in
      try #require(try blocks.matrix(name)).dequantized().elements
    }
  }

  @Test func nearestRoundsEachLayerByItself() throws {
    try withTemporaryFolder { folder in
      let stack = ToyStack()
      let settings = BlockQuantizerSettings(method: .nearest, scheme: try Self.scheme())
      let blocks = try BlockQuantizer(settings).run(
        stack,
        samples: ToyStack.samples(4),
        in: folder + "/work"
      )
      #expect(blocks.reports.count == 3)
      #expect(blocks.layerNames.prefix(3) == ["layers.0.down", "layers.0.up", "layers.0.side"])
      for index in 0..<3 {
        for (path, layer) in stack.block(index).namedLinearLayers() {
          let weight = layer.weightRows((0..<Int32(layer.outputWidth)).map { $0 })
          let expected = try RoundToNearest(Self.scheme()).quantize(weight).matrix
          let found = try #require(try blocks.matrix("layers.\(index).\(path)"))
          #expect(found.dequantized() == expected.dequantized())
          let report = try #require(blocks.report(of: "layers.\(index).\(path)"))
          #expect(report.movement.movedShare == 0)
          #expect(report.relativeError > 0 && report.relativeError < 0.1)
        }
      }
    }
  }

  /// GPTQ's later layers see what the rounded earlier ones make: computed here by hand.
  @Test func gptqTakesInputsBehindRoundedLayers() throws {
    try withTemporaryFolder { folder in
      let stack = ToyStack(blockCount: 1)
      let samples = ToyStack.samples(10)
      let settings = BlockQuantizerSettings(method: .gptq(), scheme: try Self.scheme())
      let blocks = try BlockQuantizer(settings).run(stack, samples: samples, in: folder + "/work")

      let block = try #require(stack.block(0) as? ToyBlock)
      let normed = block.norm(stack.embedding(samples))
      func rounded(_ layer: any LinearLayer, _ inputs: Tensor<Float>) throws -> QuantizedMatrix {
        let weight = layer.weightRows((0..<Int32(layer.outputWidth)).map { $0 })
        return try GPTQ().quantize(
          weight,
          hessian: CalibrationHessian(inputs),
          scheme: Self.scheme()
        ).matrix
      }
      let up = try rounded(block.up, normed)
      let side = try rounded(block.side, normed)
      let bias = (block.up as? Linear)?.bias?.value
      let gate = up.product(with: normed, bias: bias).gelu()
      let down = try rounded(block.down, gate * side.product(with: normed))
      for (name, expected) in [("up", up), ("side", side), ("down", down)] {
        let found = try #require(try blocks.matrix("layers.0." + name))
        #expect(found.codes().elements == expected.codes().elements)
      }
    }
  }

  /// The error of a learned layer's output, computed here by hand: the second layer reads what the rounded
  /// first ones make.
  @Test func learnedLayersReportTheErrorOfTheirOutputs() throws {
    try withTemporaryFolder { folder in
      let stack = ToyStack(blockCount: 1)
      let samples = ToyStack.samples(40)
      let learning = ReconstructionSettings(steps: 12, batchSize: 4)
      let blocks = try BlockQuantizer(Self.settings(.learned(.flexRound(), learning))).run(
        stack,
        samples: samples,
        in: folder + "/work"
      )
      let block = try #require(stack.block(0) as? ToyBlock)
      let normed = block.norm(stack.embedding(samples[0..<32]))
      func matrix(_ name: String) throws -> QuantizedMatrix {
        try #require(try blocks.matrix("layers.0." + name))
      }
      let bias = (block.up as? Linear)?.bias?.value
      let gate = try matrix("up").product(with: normed, bias: bias).gelu()
      let hidden = gate * (try matrix("side").product(with: normed))
      for (name, layer, input) in [
        ("up", block.up, normed), ("side", block.side, normed), ("down", block.down, hidden),
      ] as [(String, any LinearLayer, Tensor<Float>)] {
        let weight = layer.weightRows((0..<Int32(layer.outputWidth)).map { $0 })
        let change = try weight - matrix(name).dequantized()
        let expected =
          input.matmul(change.transposed()).square().sum()
          / input.matmul(weight.transposed()).square().sum()
        let found = try #require(blocks.report(of: "layers.0." + name)?.relativeOutputError)
        expectClose([Float(found)], [expected], relative: 1e-3)
      }
    }
  }

  /// Whatever a method learns, it must not leave the outputs farther away than round-to-nearest.
  @Test func methodsBeatRoundToNearest() throws {
    try withTemporaryFolder { folder in
      var errors: [Double] = []
      let learning = ReconstructionSettings(steps: 100, batchSize: 4)
      for (number, method) in [
        RoundingMethod.nearest, .gptq(), .learned(.flexRound(), learning),
      ].enumerated() {
        let blocks = try BlockQuantizer(Self.settings(method)).run(
          ToyStack(),
          samples: ToyStack.samples(24),
          in: folder + "/\(number)"
        )
        errors.append(try #require(blocks.reports.last).relativeError)
      }
      #expect(errors[1] < errors[0])
      #expect(errors[2] < errors[0])
    }
  }

  /// Stopped anywhere, also in the midst of a block, a run ends with the bits of one that was not.
  @Test(arguments: methods()) func goesOnWhereItStopped(method: RoundingMethod) throws {
    try withTemporaryFolder { folder in
      let settings = try Self.settings(method)
      let samples = ToyStack.samples(10)
      let quantizer = BlockQuantizer(settings)
      var count = 0
      _ = try quantizer.run(ToyStack(), samples: samples, in: folder + "/whole") { _ in
        count += 1
        return true
      }
      let expected = try results(folder + "/whole")
      for stop in [1, count / 3, count / 2, count - 2] {
        let work = folder + "/stopped-\(stop)"
        var calls = 0
        #expect(throws: QuantizationError.cancelled) {
          try quantizer.run(ToyStack(), samples: samples, in: work) { _ in
            calls += 1
            return calls < stop
          }
        }
        var firstBlock: Int?
        _ = try quantizer.run(ToyStack(), samples: samples, in: work) { state in
          firstBlock = firstBlock ?? state.block
          return true
        }
        #expect(try results(work) == expected)
        if stop == count - 2 { #expect(firstBlock == 2) }
      }
    }
  }

  @Test func refusesWhatItCannotUse() throws {
    try withTemporaryFolder { folder in
      let settings = try Self.settings(.nearest)
      let quantizer = BlockQuantizer(settings)
      let samples = ToyStack.samples(3)
      func expectForeign(_ part: String, _ body: () throws -> Void) {
        let error = #expect(throws: QuantizationError.self, performing: body)
        #expect(error.map { "\($0)".contains(part) } == true, "\(String(describing: error))")
      }
      #expect(throws: QuantizationError.emptyCalibration) {
        try quantizer.run(ToyStack(), samples: ToyStack.samples(0), in: folder + "/a")
      }
      _ = try quantizer.run(ToyStack(), samples: samples, in: folder + "/a")
      var other = settings
      other.seed = 4
      expectForeign("other settings") {
        _ = try BlockQuantizer(other).run(ToyStack(), samples: samples, in: folder + "/a")
      }
      expectForeign("another calibration set") {
        _ = try quantizer.run(ToyStack(), samples: ToyStack.samples(4), in: folder + "/a")
      }
      expectForeign("another model") {
        _ = try quantizer.run(ToyStack(seed: 2), samples: samples, in: folder + "/a")
      }
      // One weight in the middle is enough.
      let nearly = ToyStack { weight in
        var weight = weight
        weight[3, 5] = weight[3, 5] + 0.5
        return weight
      }
      expectForeign("another model") {
        _ = try quantizer.run(nearly, samples: samples, in: folder + "/a")
      }
      try FileManager.default.createDirectory(
        atPath: folder + "/b",
        withIntermediateDirectories: true
      )
      try Data([1]).write(to: URL(filePath: folder + "/b/notes"))
      expectForeign("holds other files") {
        _ = try quantizer.run(ToyStack(), samples: samples, in: folder + "/b")
      }
      expectForeign("cannot be made") {
        _ = try quantizer.run(ToyStack(), samples: samples, in: folder + "/b/notes/work")
      }
      // A damaged report is said, not guessed.
      let block = URL(filePath: folder + "/a/block-001.safetensors")
      var bytes = try Data(contentsOf: block)
      let place = try #require(bytes.range(of: Data("meanSquaredError".utf8)))
      bytes.replaceSubrange(place, with: Data("meanSquaredErrow".utf8))
      try bytes.write(to: block)
      expectForeign("damaged") { _ = try QuantizedBlocks(folder + "/a") }
    }
  }

  /// At eight bits nothing is lost, so the folded model must still be the model.
  @Test func foldingKeepsTheFunction() throws {
    try withTemporaryFolder { folder in
      let stack = ToyStack(blockCount: 2)
      let samples = ToyStack.samples(8)
      var settings = BlockQuantizerSettings(
        method: .nearest,
        scheme: try Self.scheme(8),
        activations: try ActivationScheme(sharing: .tensor),
        smoothing: SmoothQuant()
      )
      settings.exceptions = [.init(namePart: "0.side", scheme: nil)]
      let blocks = try BlockQuantizer(settings).run(stack, samples: samples, in: folder + "/work")
      let block = try #require(stack.block(0) as? ToyBlock)
      let scale = try #require(try blocks.changed("layers.0.norm.weight"))
      let old = try #require(block.norm.weight).value
      #expect(scale != old)
      // The layer that stays in floating point was folded, too.
      let side = try #require(try blocks.changed("layers.0.side.weight"))
      let original = block.side.weightRows((0..<32).map { $0 })
      let (found, expected) = ((side * scale).elements, (original * old).elements)
      expectClose(found, expected, relative: 1e-4, absolute: 1e-6)
      #expect(try blocks.matrix("layers.0.side") == nil)
      let grid = try #require(try blocks.inputGrid("layers.0.up"))
      let inputs = block.norm(stack.embedding(samples)) * scale / old
      let range = inputs.max() - inputs.min()
      expectClose([grid.elements[0]], [range / 255], relative: 1e-5)
      #expect(try #require(blocks.reports.last).relativeError < 1e-3)
    }
  }

  @Test func learnsThroughTheHead() throws {
    try withTemporaryFolder { folder in
      let learning = ReconstructionSettings(steps: 40, batchSize: 4, learningRate: 0.01)
      var settings = try Self.settings(.learned(.flexRound(), learning))
      settings.lastBlockLoss = .crossEntropy
      let stack = ToyStack(blockCount: 1)
      let blocks = try BlockQuantizer(settings).run(
        stack,
        samples: ToyStack.samples(24),
        in: folder + "/work"
      )
      let report = try #require(blocks.reports.first?.reconstruction)
      #expect(report.error < report.startError)
      #expect(blocks.reports.first?.loss == .crossEntropy)
      // Divergences of these distributions, not squared errors of states.
      let first = try #require(report.losses.first)
      #expect(first > 0 && first < 5)
    }
  }
}
