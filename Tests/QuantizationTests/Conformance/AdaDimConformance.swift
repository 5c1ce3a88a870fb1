import Autograd
import Checkpoints
import Quantization
import Tensor
import TestSupport
import Testing

extension QuantizationConformance {
  /// AdaDim over round-to-nearest and GPTQ as the official code chooses and rounds.
  @Suite struct AdaDimCases {
    static let cases = FixtureCase.adaDim("adadim_linear")

    @Test func filesHoldCases() { #expect(!Self.cases.isEmpty) }

    private func scheme(
      _ item: FixtureCase,
      _ axis: String,
      range: RangeEstimation
    ) throws -> WeightScheme {
      let group = try item.int("group")
      return try WeightScheme(
        grid: QuantizationGrid(bits: item.int("bits")),
        granularity: axis == "oc" ? .inputGroups(group) : .outputGroups(group),
        range: range,
        scaleType: .float32
      )
    }

    @Test(arguments: cases, ["oc", "ic"]) func nearest(item: FixtureCase, axis: String) throws {
      let (weight, inputs) = (try item.tensor("W"), try item.tensor("X"))
      let rounding = try RoundToNearest(scheme(item, axis, range: .adaDim))
      let matrix = try rounding.quantize(weight).matrix
      let codes = try item.integers("rtn_\(axis).codes")
      #expect(matrix.codes().elements.map { Int32($0) } == codes.elements)
      // The file has groups of outputs as [K × N/g].
      let steps = axis == "oc" ? matrix.stepSizes : matrix.stepSizes.transposed()
      expectClose(steps, try item.tensor("rtn_\(axis).scale"), relative: 1e-6)
      let points = try #require(matrix.zeroPoints)
      let zeros = axis == "oc" ? points : points.transposed()
      #expect(zeros.elements.map { Int32($0) } == (try item.integers("rtn_\(axis).zero").elements))
      let error = AdaDim.outputError(of: matrix.dequantized(), for: weight, inputs: inputs)
      expectClose([error], [try item.number("err_rtn_\(axis)")], relative: 1e-4)
      // Straight from the codes.
      let product = matrix.product(with: inputs)
      let expected = inputs.matmul(matrix.dequantized(), transposingOther: true)
      expectNear(product, expected, ofLargest: 1e-5, "product")
    }

    @Test(arguments: cases, ["oc", "ic"]) func gptq(item: FixtureCase, axis: String) throws {
      let (weight, inputs) = (try item.tensor("W"), try item.tensor("X"))
      let matrix = try GPTQ(order: .activation, groupGrids: .fixed).quantize(
        weight,
        hessian: CalibrationHessian(inputs),
        scheme: scheme(item, axis, range: axis == "oc" ? .minMax : .adaDim)
      ).matrix
      let codes = try item.integers("gptq_\(axis).codes")
      #expect(matrix.codes().elements.map { Int32($0) } == codes.elements)
      let grids = matrix.expandedGrids()
      let zeros = try item.integers("gptq_\(axis).colzero")
      #expect(grids.zeroPoints.elements.map { Int32($0) } == zeros.elements)
      expectClose(grids.stepSizes, try item.tensor("gptq_\(axis).colscale"), relative: 1e-6)
      let error = AdaDim.outputError(of: matrix.dequantized(), for: weight, inputs: inputs)
      expectClose([error], [try item.number("err_gptq_\(axis)")], relative: 1e-4)
    }

    @Test(arguments: cases) func choice(item: FixtureCase) throws {
      let (weight, inputs) = (try item.tensor("W"), try item.tensor("X"))
      let method = AdaDim(
        grid: try QuantizationGrid(bits: item.int("bits")),
        groupSize: try item.int("group"),
        scaleType: .float32,
        hasOfficialRanges: true
      )
      let choice = try method.quantize(weight) {
        AdaDim.outputError(of: $0, for: weight, inputs: inputs)
      }
      let group = try item.int("group")
      let expected = try item.text("chosen")
      #expect(choice.granularity == (expected == "oc" ? .inputGroups(group) : .outputGroups(group)))
      let errors = choice.errors.map(\.error)
      let found = [try item.number("err_rtn_oc"), try item.number("err_rtn_ic")]
      expectClose(errors, found, relative: 1e-4)
    }

    @Test(arguments: [false, true]) func block(usesGPTQ: Bool) throws {
      let path = Fixtures.file("peqa-adadim/adadim_block.safetensors")
      let values = try #require(FixtureCase.document(path, "case"))
      let item = FixtureCase(path: path, prefix: "", values: values)
      var block = try AdaDimBlock(item)
      expectNear(block(try item.tensor("x")), try item.tensor("y_fp"), ofLargest: 1e-5, "output")
      let method = AdaDim(
        grid: try QuantizationGrid(bits: item.int("bits")),
        groupSize: try item.int("group"),
        base: usesGPTQ ? .gptq() : .nearest,
        scaleType: .float32,
        hasOfficialRanges: true
      )
      for name in try #require(values["order"]?.arrayValue?.compactMap { $0.stringValue }) {
        try search(name, method, &block, item, usesGPTQ)
      }
      if !usesGPTQ {
        let output = block(try item.tensor("x"))
        expectClose(output, try item.tensor("y_rtn_ada"), absolute: 1e-4)
      }
    }

    private func search(
      _ name: String,
      _ method: AdaDim,
      _ block: inout AdaDimBlock,
      _ item: FixtureCase,
      _ usesGPTQ: Bool
    ) throws {
      let weight = try #require(block.weights[name])
      let inputs = try item.tensor("input." + block.inputName(of: name))
      let reference = block.judged(name, inputs)
      let choice = try method.quantize(weight, hessian: CalibrationHessian(inputs), layer: name) {
        var changed = block
        changed.weights[name] = $0
        return Double((changed.judged(name, inputs) - reference).square().mean())
      }
      let key = usesGPTQ ? "gptq_chosen_corrected" : "rtn"
      let record = try #require(item.values[key]?[name])
      let expected = try #require(record.stringValue ?? record["chosen"]?.stringValue)
      let group = try item.int("group")
      let granularity: Granularity = expected == "oc" ? .inputGroups(group) : .outputGroups(group)
      #expect(choice.granularity == granularity, "\(name)")
      let quantized = choice.matrix.dequantized()
      if usesGPTQ {
        let corrected = name + ".weight_gptq_corrected"
        let stored = try item.has(corrected) ? corrected : name + ".weight_gptq_ada"
        expectClose(quantized, try item.tensor(stored), absolute: 1e-6, name)
      } else {
        expectClose(quantized, try item.tensor(name + ".weight_rtn_ada"), absolute: 1e-6, name)
        let errors = ["err_oc", "err_ic"].compactMap { record[$0]?.doubleValue }
        expectClose(choice.errors.map(\.error), errors, relative: 1e-3, absolute: 0, name)
      }
      block.weights[name] = quantized
    }
  }
}

/// The decoder block of the file: RMS norms without gains, causal attention, a gated MLP.
private struct AdaDimBlock {
  var weights: [String: Tensor<Float>] = [:]
  private let headCount: Int

  init(_ item: FixtureCase) throws {
    headCount = try item.int("heads")
    for name in try #require(item.values["order"]?.arrayValue?.compactMap { $0.stringValue }) {
      weights[name] = try item.tensor(name + ".weight")
    }
  }

  private func layer(_ name: String, _ x: Tensor<Float>) -> Tensor<Float> {
    guard let weight = weights[name] else { preconditionFailure("no layer \(name)") }
    return x.linear(weight: weight, bias: nil)
  }

  private func norm(_ x: Tensor<Float>) -> Tensor<Float> {
    Variable(x).rmsNormalized(epsilon: 1e-6).value
  }

  private func attend(_ h: Tensor<Float>) -> Tensor<Float> {
    let width = h.shape[2] / headCount
    func heads(_ name: String) -> Variable {
      Variable(
        layer("self_attn.\(name)_proj", h).reshaped(
          to: [h.shape[0], h.shape[1], headCount, width]
        )
      )
    }
    let mixed = attention(
      queries: heads("q"),
      keys: heads("k"),
      values: heads("v"),
      layout: .positionsFirst,
      options: AttentionOptions(mask: .causal)
    ).value
    return layer("self_attn.o_proj", mixed.reshaped(to: h.shape))
  }

  private func feed(_ h: Tensor<Float>) -> Tensor<Float> {
    let gate = layer("mlp.gate_proj", h)
    return layer("mlp.down_proj", gate.gated(.silu, by: layer("mlp.up_proj", h)))
  }

  func callAsFunction(_ x: Tensor<Float>) -> Tensor<Float> {
    let y = x + attend(norm(x))
    return y + feed(norm(y))
  }

  /// The layer whose recorded inputs a layer shares.
  func inputName(of name: String) -> String {
    switch name {
    case "self_attn.k_proj", "self_attn.v_proj": "self_attn.q_proj"
    case "mlp.up_proj": "mlp.gate_proj"
    default: name
    }
  }

  /// What a layer is judged by: the attention around queries, keys and values, the MLP around its
  /// first two matrices, else its own output.
  func judged(_ name: String, _ inputs: Tensor<Float>) -> Tensor<Float> {
    switch name {
    case "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj": attend(inputs)
    case "mlp.gate_proj", "mlp.up_proj": feed(inputs)
    default: layer(name, inputs)
    }
  }
}
