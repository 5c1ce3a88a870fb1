import Autograd
import Checkpoints
import Quantization
import Tensor
import TestSupport
import Testing

extension QuantizationConformance {
  /// Optimization traces of FlexRound and LRQ, step by step, as the authors' code runs them: every
  /// `trace_*` file of the folder.
  @Suite struct Traces {
    @Test func filesHoldTraces() { #expect(!FixtureCase.traces.isEmpty) }

    @Test(arguments: FixtureCase.traces, StepParameterization.allCases)
    func trace(item: FixtureCase, parameterization: StepParameterization) throws {
      var (original, quantized): (Variable?, Tensor<Float>?) = (nil, nil)
      for index in 0..<(try item.int("blocks")) {
        let group = "block\(index)/"
        let input = try item.tensor(group + "quant_input")
        if let quantized { expectNear(quantized, input, ofLargest: 1e-5, group + "input") }
        var block = try TraceBlock(item, group)
        let source = try original ?? Variable(item.tensor("input"))
        let target = try item.tensor(group + "target")
        original = block(source)
        expectNear(original?.value ?? target, target, ofLargest: 1e-5, group + "target")

        let roundings = try block.round(item, group, parameterization)
        try checkStart(item, group, block, roundings)
        try checkTraining(item, group, block, roundings)
        for (name, rounding) in roundings {
          block.layers[name] = PackedLinear(
            weight: rounding.quantized(),
            bias: block.biases[name]
          )
        }
        let output = block(Variable(input)).value
        expectNear(output, try item.tensor(group + "final_output"), ofLargest: 2e-5, "final output")
        quantized = output
      }
    }

    private func checkStart(
      _ item: FixtureCase,
      _ group: String,
      _ block: TraceBlock,
      _ roundings: [(name: String, rounding: any LearnedRounding)]
    ) throws {
      let input = try item.tensor(group + "quant_input")
      for (name, rounding) in roundings {
        let started = try item.tensor(group + "init/\(name)/log_s1")
        expectClose(rounding.startingStepSizes.log(), started, absolute: 1e-5, "step of \(name)")
        let zeros = rounding.quantized().zeroPoints?.elements.map { Int32($0) }
        #expect(
          zeros == (try item.integers(group + "zero_point/\(name)").elements),
          "zero of \(name)"
        )
        try set(rounding, item, group + "init/\(name)/")
      }
      let output = block(Variable(input))
      expectNear(
        output.value,
        try item.tensor(group + "rtn_output"),
        ofLargest: 1e-5,
        "output of round-to-nearest"
      )
      let batch = try batches(item, group)[0].map { Int32($0) }
      let first = block(Variable(input.rows(batch)))
      expectNear(first.value, try item.tensor(group + "output_step0"), ofLargest: 1e-5, "step 0")
      let target = try item.tensor(group + "target").rows(batch)
      Reconstruction.loss(first, target: target).backward()
      for (name, rounding) in roundings {
        for (key, parameter) in parameters(of: rounding) {
          let expected = try item.tensor(group + "grad_step0/\(name)/\(key)")
          let found = try #require(parameter.gradient)
          expectNear(found, expected, ofLargest: 2e-5, "gradient of \(name), \(key)")
          parameter.clearGradient()
        }
      }
    }

    private func batches(_ item: FixtureCase, _ group: String) throws -> [[Int]] {
      let stored = try item.integers(group + "batches")
      let size = stored.shape[1]
      let all = stored.elements.map { Int($0) }
      return (0..<stored.shape[0]).map { Array(all[$0 * size..<($0 + 1) * size]) }
    }

    private func checkTraining(
      _ item: FixtureCase,
      _ group: String,
      _ block: TraceBlock,
      _ roundings: [(name: String, rounding: any LearnedRounding)]
    ) throws {
      let settings = ReconstructionSettings(
        steps: try item.int("iters"),
        batchSize: try item.int("batch"),
        learningRate: Float(try item.number("lr")),
        heldBackShare: 0,
        selection: .last
      )
      let report = try Reconstruction(settings).run(
        roundings.flatMap { $0.rounding.parameters() },
        inputs: item.tensor(group + "quant_input"),
        targets: item.tensor(group + "target"),
        batches: batches(item, group),
        forward: { block($0) }
      )
      #expect(report.choice == .end && report.restarts == 0)
      func compare(_ found: [Float], _ name: String, _ relative: Float) throws {
        let expected = try item.tensor(group + name).elements
        expectClose(found, expected, relative: relative, absolute: 1e-9, name)
      }
      try compare(report.losses, "loss", 1e-4)
      try compare(report.learningRates, "lr", 1e-5)
      try compare(report.gradientNorms, "grad_norm", 1e-4)
      for (name, rounding) in roundings {
        for (key, parameter) in parameters(of: rounding) {
          let offset = key == "log_s1" ? logStepOffset(of: rounding) : .zeros(parameter.shape)
          let expected = try item.tensor(group + "final/\(name)/\(key)")
          expectClose(parameter.value + offset, expected, absolute: 1e-5, "\(name), \(key)")
        }
        let codes = rounding.quantized().codes().elements.map { Int32($0) }
        #expect(codes == (try item.integers(group + "final_code/\(name)").elements), "\(name)")
      }
    }
  }
}

/// The blocks of the traces: two linear layers with ReLU between, or a small Llama layer.
struct TraceBlock {
  var layers: [String: any LinearLayer] = [:]
  private(set) var biases: [String: Tensor<Float>] = [:]
  private var norms: [Tensor<Float>] = []
  private let headCount: Int?

  init(_ item: FixtureCase, _ group: String) throws {
    headCount = item.values["heads"]?.intValue
    let modes = try #require(item.values["modes"]?.objectValue)
    for name in modes.keys {
      let key = group + "fp/" + name
      if try item.has(key + ".bias") { biases[name] = try item.tensor(key + ".bias") }
      layers[name] = Linear(
        weight: Parameter(try item.tensor(key + ".weight"), isTrainable: false),
        bias: biases[name].map { Parameter($0, isTrainable: false) }
      )
    }
    if headCount != nil {
      norms = try ["norm1", "norm2"].map { try item.tensor(group + "fp/\($0).weight") }
    }
  }

  /// Puts learned roundings in place of all layers.
  mutating func round(
    _ item: FixtureCase,
    _ group: String,
    _ parameterization: StepParameterization
  ) throws -> [(name: String, rounding: any LearnedRounding)] {
    var generator = Philox(seed: 3)
    let modes = try #require(item.values["modes"]?.objectValue)
    return try zip(modes.keys, modes.values).map { name, mode in
      let weight = try item.tensor(group + "fp/\(name).weight")
      let rounding: any LearnedRounding
      switch mode.stringValue {
      case "lrq":
        rounding = try LRQ(
          weight,
          rank: item.int("rank"),
          scheme: item.scheme(),
          configuration: LRQ.Configuration(parameterization: parameterization),
          using: &generator
        )
      default:
        rounding = try FlexRound(
          weight,
          scheme: item.scheme(),
          configuration: FlexRound.Configuration(parameterization: parameterization)
        )
      }
      layers[name] = RoundedLinear(rounding, bias: biases[name])
      return (name, rounding)
    }
  }

  private func layer(_ name: String, _ x: Variable) -> Variable {
    guard let layer = layers[name] else { preconditionFailure("no layer \(name)") }
    return layer(x)
  }

  func callAsFunction(_ x: Variable) -> Variable {
    guard let headCount else { return layer("fc2", layer("fc1", x).relu()) }
    let h = x.rmsNormalized(weight: Variable(norms[0]), epsilon: 1e-5)  // [B, T, H]
    let width = x.shape[2] / headCount
    let table = RotaryEmbedding(headWidth: width, base: 10_000).table(first: 0, count: x.shape[1])
    func heads(_ name: String) -> Variable {
      layer(name, h).reshaped(to: [x.shape[0], x.shape[1], headCount, width])
    }
    func turned(_ name: String) -> Variable {
      heads(name).rotated(
        cosines: table.cosines,
        sines: table.sines,
        options: RotaryOptions(layout: .positionsFirst)
      )
    }
    let mixed = attention(
      queries: turned("q_proj"),
      keys: turned("k_proj"),
      values: heads("v_proj"),
      layout: .positionsFirst,
      options: AttentionOptions(mask: .causal)
    )
    let y = x + layer("o_proj", mixed.reshaped(to: x.shape))
    let n = y.rmsNormalized(weight: Variable(norms[1]), epsilon: 1e-5)
    return y + layer("down_proj", layer("gate_proj", n).gated(.silu, by: layer("up_proj", n)))
  }
}
