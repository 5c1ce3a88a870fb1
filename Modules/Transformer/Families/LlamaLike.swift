import Autograd
import Checkpoints
import Tensor

/// The keys of config.json that LLaMA and its descendants share.
enum LlamaLike {
  /// What the shared keys say; a family sets the rest.
  static func configuration(
    _ reader: ConfigurationReader,
    _ family: ModelFamily,
    tiesByDefault: Bool = false,
    headWidth: Int? = nil,
    activation: String = "hidden_act"
  ) throws(ModelError) -> TransformerConfiguration {
    let width = try reader.integer("hidden_size", in: ConfigurationLimits.width)
    let heads = try reader.integer("num_attention_heads", in: ConfigurationLimits.heads)
    var shape = TransformerConfiguration(
      family: family,
      vocabularyCount: try reader.integer("vocab_size", in: ConfigurationLimits.vocabulary),
      hiddenWidth: width,
      feedForwardWidth: try reader.integer("intermediate_size", in: ConfigurationLimits.width),
      blockCount: try reader.integer("num_hidden_layers", in: ConfigurationLimits.blocks),
      headCount: heads,
      keyHeadCount: try reader.integer(
        "num_key_value_heads",
        in: ConfigurationLimits.heads,
        default: heads
      ),
      headWidth: try reader.integer(
        "head_dim",
        in: ConfigurationLimits.width,
        default: headWidth ?? max(width / heads, 1)
      ),
      contextLength: try reader.integer(
        "max_position_embeddings",
        in: ConfigurationLimits.context,
        default: 2048
      )
    )
    shape.normEpsilon = try reader.positive("rms_norm_eps", default: 1e-6)
    shape.tiesEmbedding = try reader.flag("tie_word_embeddings", default: tiesByDefault)
    if let name = try reader.string(activation) {
      guard let function = function(name) else {
        throw reader.invalid(activation, "is '\(name)', which is not supported")
      }
      shape.feedForward = .gated(function)
    }
    let rotary = try rotary(reader)
    shape.rotaryBase = rotary.base
    shape.rotaryScaling = rotary.scaling
    try shape.validate(reader, heads: "num_key_value_heads", width: "head_dim")
    return shape
  }

  /// The function of a name in config.json.
  static func function(_ name: String) -> GateFunction? {
    switch name {
    case "silu", "swish": .silu
    case "relu": .relu
    case "gelu": .gelu
    case "gelu_new", "gelu_pytorch_tanh", "gelu_fast": .geluTanh
    default: nil
    }
  }

  /// The name of a function in config.json.
  static func name(_ function: GateFunction) -> String {
    switch function {
    case .silu: "silu"
    case .relu: "relu"
    case .gelu: "gelu"
    case .geluTanh: "gelu_pytorch_tanh"
    case .sigmoid: "sigmoid"
    }
  }

  /// `rope_theta` with `rope_scaling` (older files), or `rope_parameters` (newer ones).
  static func rotary(
    _ reader: ConfigurationReader,
    default plain: Float = 10_000
  ) throws(ModelError) -> (base: Float, scaling: RotaryScaling) {
    var parameters = try reader.nested("rope_parameters")
    // Newer files of Gemma 3 hold one object for each kind of layer.
    if let full = try parameters?.nested("full_attention") { parameters = full }
    let plainBase = try reader.positive("rope_theta", default: plain)
    let base = try parameters?.positive("rope_theta", default: plainBase) ?? plainBase
    let olderScaling = try reader.nested("rope_scaling")
    guard let scaling = parameters ?? olderScaling else { return (base, .none) }
    let olderKind = try scaling.string("type")
    let kind = try scaling.string("rope_type") ?? olderKind ?? "default"
    switch kind {
    case "default":
      return (base, .none)
    case "linear":
      return (base, .linear(factor: try scaling.positive("factor")))
    case "llama3":
      return (
        base,
        .llama3(
          factor: try scaling.positive("factor"),
          lowFrequencyFactor: try scaling.positive("low_freq_factor"),
          highFrequencyFactor: try scaling.positive("high_freq_factor"),
          originalLength: try scaling.positive(
            "original_max_position_embeddings",
            default: reader.optionalPositive("max_position_embeddings")
          )
        )
      )
    case "divisors":
      return (base, .divisors(try scaling.positives("divisors")))
    default:
      throw reader.invalid(
        "rope_type",
        "is '\(kind)'; supported are 'default', 'linear' and 'llama3'"
      )
    }
  }

  /// The windows of the blocks: `layer_types`, or `isWindowed` where the file has none.
  static func windows(
    _ reader: ConfigurationReader,
    _ shape: TransformerConfiguration,
    default window: Int? = nil,
    isWindowed: (_ block: Int) -> Bool
  ) throws(ModelError) -> [Int?] {
    let found = try reader.optionalInteger("sliding_window", in: ConfigurationLimits.context)
    guard let window = found ?? window else { return [] }
    var windows: [Int?] = []
    if let kinds = try reader.strings("layer_types") {
      guard kinds.count == shape.blockCount else {
        throw reader.invalid(
          "layer_types",
          "holds \(kinds.count) entries for \(shape.blockCount) layers"
        )
      }
      for kind in kinds {
        switch kind {
        case "sliding_attention": windows.append(window)
        case "full_attention": windows.append(nil)
        default: throw reader.invalid("layer_types", "holds '\(kind)', which is not supported")
        }
      }
    } else {
      windows = (0..<shape.blockCount).map { isWindowed($0) ? window : nil }
    }
    return windows.contains { $0 != nil } ? windows : []
  }

  /// The keys that the families share.
  static func document(_ shape: TransformerConfiguration) -> JSONObject {
    var document: JSONObject = [
      "vocab_size": .integer(Int64(shape.vocabularyCount)),
      "hidden_size": .integer(Int64(shape.hiddenWidth)),
      "intermediate_size": .integer(Int64(shape.feedForwardWidth)),
      "num_hidden_layers": .integer(Int64(shape.blockCount)),
      "num_attention_heads": .integer(Int64(shape.headCount)),
      "num_key_value_heads": .integer(Int64(shape.keyHeadCount)),
      "head_dim": .integer(Int64(shape.headWidth)),
      "max_position_embeddings": .integer(Int64(shape.contextLength)),
      "rms_norm_eps": .decimal(shape.normEpsilon),
      "rope_theta": .decimal(shape.rotaryBase),
      "tie_word_embeddings": .bool(shape.tiesEmbedding),
    ]
    if case .gated(let function) = shape.feedForward {
      document["hidden_act"] = .string(name(function))
    }
    if let scaling = scalingDocument(shape) {
      document["rope_scaling"] = .object(scaling)
    }
    return document
  }

  /// `sliding_window` and `layer_types`.
  ///
  /// - Parameters:
  ///   - shape: what is written.
  ///   - unused: the window that readers of the family demand even where no layer has one.
  /// - Returns: both keys.
  static func windowDocument(
    _ shape: TransformerConfiguration,
    unused: Int? = nil
  ) -> JSONObject {
    guard let window = shape.windows.compactMap({ $0 }).first ?? unused else {
      return ["sliding_window": .null]
    }
    return [
      "sliding_window": .integer(Int64(window)),
      "layer_types": .array(
        (0..<shape.blockCount).map {
          .string(shape.window(of: $0) == nil ? "full_attention" : "sliding_attention")
        }
      ),
    ]
  }

  private static func scalingDocument(_ shape: TransformerConfiguration) -> JSONObject? {
    switch shape.rotaryScaling.named(base: shape.rotaryBase, headWidth: shape.headWidth) {
    case .none:
      nil
    case .linear(let factor):
      ["rope_type": "linear", "factor": .decimal(factor)]
    case .llama3(let factor, let low, let high, let length):
      [
        "rope_type": "llama3", "factor": .decimal(factor),
        "low_freq_factor": .decimal(low), "high_freq_factor": .decimal(high),
        "original_max_position_embeddings": .integer(Int64(length)),
      ]
    case .divisors(let divisors):
      // No config.json key holds a divisor for each frequency; readers of this project know this.
      ["rope_type": "divisors", "divisors": .array(divisors.map { .number(Double($0)) })]
    }
  }
}

extension RotaryScaling {
  /// The rule that divisors follow, for files that hold rules alone: GGUF keeps what Llama 3's rule
  /// gives, with the factors 1 and 4 that all releases have, and not the rule.
  func named(base: Float, headWidth: Int) -> RotaryScaling {
    guard case .divisors(let divisors) = self, let factor = divisors.max(), factor > 1 else {
      return self
    }
    let wavelengths = RotaryEmbedding(headWidth: headWidth, base: base).frequencies.map {
      RotaryEmbedding.wavelength($0)
    }
    guard wavelengths.count == divisors.count,
      let ramp = divisors.firstIndex(where: { $0 > 1.001 && $0 < factor * 0.999 })
    else { return self }
    // Between the limits 1/divisor = (1 − s)/factor + s, s = (length/wavelength − 1) / 3.
    let smooth = (1 / divisors[ramp] - 1 / factor) / (1 - 1 / factor)
    let rule = RotaryScaling.llama3(
      factor: factor,
      lowFrequencyFactor: 1,
      highFrequencyFactor: 4,
      originalLength: (wavelengths[ramp] * (3 * smooth + 1)).rounded()
    )
    let plain = RotaryEmbedding(headWidth: headWidth, base: base).frequencies
    let scaled = RotaryEmbedding(headWidth: headWidth, base: base, scaling: rule).frequencies
    let agrees = zip(zip(plain, scaled), divisors).allSatisfy { pair, divisor in
      abs(pair.0 / pair.1 / divisor - 1) < 1e-4
    }
    return agrees ? rule : self
  }
}

extension JSONValue {
  /// A float by its shortest decimal form: 1e-05, not 9.999999747e-06.
  static func decimal(_ value: Float) -> JSONValue { .number(Double("\(value)") ?? 0) }
}

extension TransformerConfiguration {
  /// The contradictions that no single setting shows.
  func validate(
    _ reader: ConfigurationReader,
    heads headsKey: String,
    width widthKey: String
  ) throws(ModelError) {
    guard headCount % keyHeadCount == 0 else {
      throw reader.invalid(
        headsKey,
        "is \(keyHeadCount), which does not divide the \(headCount) heads"
      )
    }
    guard headWidth % 2 == 0 || positions != .rotary else {
      throw reader.invalid(widthKey, "is \(headWidth): rotary positions need an even head width")
    }
    guard headWidth * headCount <= ConfigurationLimits.width.upperBound else {
      throw reader.invalid(widthKey, "is \(headWidth): \(headCount) such heads are too wide")
    }
  }
}
