import Autograd
import Checkpoints
import Tensor

/// The LLaMA family in GGUF: other names, other keys, and rotary rows in adjacent pairs.
extension LlamaFamily {
  /// The `general.architecture` of a GGUF file.
  static let architecture = "llama"

  /// The configuration that a file's metadata and tensors say.
  static func configuration(_ file: GGUFFile) throws -> DecoderConfiguration {
    let reader = ConfigurationReader(path: file.path) { file.metadata[$0]?.jsonValue }
    let prefix = architecture + "."
    let width = try reader.integer(prefix + "embedding_length", in: ConfigurationLimits.width)
    let heads = try reader.integer(prefix + "attention.head_count", in: ConfigurationLimits.heads)
    guard let embedding = file.describe("token_embd.weight"), embedding.shape.rank == 2 else {
      throw CheckpointError.missingTensor(path: file.path, name: "token_embd.weight", near: [])
    }
    let declared = try reader.integer(
      prefix + "vocab_size",
      in: ConfigurationLimits.vocabulary,
      default: embedding.shape[0]
    )
    guard declared == embedding.shape[0] else {
      throw reader.invalid(
        prefix + "vocab_size",
        "is \(declared), the embedding has \(embedding.shape[0]) rows"
      )
    }
    let rotaryWidth = prefix + "rope.dimension_count"
    let configuration = DecoderConfiguration(
      vocabularyCount: declared,
      hiddenWidth: width,
      feedForwardWidth: try reader.integer(
        prefix + "feed_forward_length",
        in: ConfigurationLimits.width
      ),
      blockCount: try reader.integer(prefix + "block_count", in: ConfigurationLimits.blocks),
      headCount: heads,
      keyHeadCount: try reader.integer(
        prefix + "attention.head_count_kv",
        in: ConfigurationLimits.heads,
        default: heads
      ),
      headWidth: try reader.integer(
        prefix + "attention.key_length",
        in: ConfigurationLimits.width,
        default: try reader.integer(
          rotaryWidth,
          in: ConfigurationLimits.width,
          default: width / heads
        )
      ),
      contextLength: try reader.integer(
        prefix + "context_length",
        in: ConfigurationLimits.context,
        default: 2048
      ),
      normEpsilon: try reader.positive(
        prefix + "attention.layer_norm_rms_epsilon",
        default: 1e-5
      ),
      rotaryBase: try reader.positive(prefix + "rope.freq_base", default: 10_000),
      rotaryScaling: try rotaryScaling(reader, file),
      tiesEmbedding: file.describe("output.weight") == nil,
      hasAttentionBias: file.describe("blk.0.attn_q.bias") != nil,
      hasFeedForwardBias: file.describe("blk.0.ffn_up.bias") != nil
    )
    try configuration.validate(
      reader,
      heads: prefix + "attention.head_count_kv",
      width: prefix + "attention.key_length"
    )
    let turned = try reader.integer(
      rotaryWidth,
      in: ConfigurationLimits.width,
      default: configuration.headWidth
    )
    guard turned == configuration.headWidth else {
      throw reader.invalid(
        rotaryWidth,
        "is \(turned): only whole heads of \(configuration.headWidth) can turn"
      )
    }
    return configuration
  }

  private static func rotaryScaling(
    _ reader: ConfigurationReader,
    _ file: GGUFFile
  ) throws -> RotaryScaling {
    if file.describe("rope_freqs.weight") != nil {
      let divisors = try file.floats("rope_freqs.weight").elements
      guard divisors.allSatisfy({ $0.isFinite && $0 > 0 }) else {
        throw reader.invalid("rope_freqs.weight", "holds a divisor that is not above zero")
      }
      return .divisors(divisors)
    }
    let key = architecture + ".rope.scaling.type"
    switch try reader.string(key) ?? "none" {
    case "none": return .none
    case "linear":
      return .linear(factor: try reader.positive(architecture + ".rope.scaling.factor"))
    case let kind:
      throw reader.invalid(key, "is '\(kind)'; supported are 'none' and 'linear'")
    }
  }

  private static let layerNames = [
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
  ]

  /// The GGUF name of a tensor of this family; nil if it has none.
  static func ggufName(_ name: String) -> String? {
    switch name {
    case "model.embed_tokens.weight": return "token_embd.weight"
    case "model.norm.weight": return "output_norm.weight"
    case "lm_head.weight": return "output.weight"
    default:
      // model.layers.N.LAYER.KIND
      let parts = name.split(separator: ".")
      guard parts.count >= 5, parts[0] == "model", parts[1] == "layers",
        let kind = parts.last
      else { return nil }
      let layer = parts[3..<parts.count - 1].joined(separator: ".")
      return layerNames[layer].map { "blk.\(parts[2]).\($0).\(kind)" }
    }
  }
}

/// A GGUF file of the LLaMA family under the names, and in the row order, of its Hugging Face form.
///
/// GGUF keeps the rows of W_q and W_k so that rotary pairs are adjacent, (2i, 2i+1); this project
/// turns pairs (i, i + d/2). The rows are put back as they are read.
struct LlamaGGUFCatalog: TensorCatalog {
  let file: GGUFFile
  let configuration: DecoderConfiguration

  var path: String { file.path }

  var tensorNames: [String] { configuration.tensorNames.filter { describe($0) != nil } }

  func describe(_ name: String) -> TensorDescription? {
    LlamaFamily.ggufName(name).flatMap { file.describe($0) }
  }

  private func stored(_ name: String) throws(CheckpointError) -> String {
    guard let stored = LlamaFamily.ggufName(name) else {
      throw .missingTensor(path: path, name: name, near: [])
    }
    return stored
  }

  func floats(_ name: String) throws(CheckpointError) -> Tensor<Float> {
    reordered(try file.floats(try stored(name)), name)
  }

  func tensor<Element: TensorElement>(
    _ name: String,
    as type: Element.Type
  ) throws(CheckpointError) -> Tensor<Element> {
    reordered(try file.tensor(try stored(name), as: type), name)
  }

  func weightMatrix(_ name: String) throws(CheckpointError) -> WeightMatrix {
    switch try file.weightMatrix(try stored(name)) {
    case .float32(let tensor): .float32(reordered(tensor, name))
    case .float16(let tensor): .float16(reordered(tensor, name))
    case .bfloat16(let tensor): .bfloat16(reordered(tensor, name))
    }
  }

  private func reordered<Element: TensorElement>(
    _ tensor: Tensor<Element>,
    _ name: String
  ) -> Tensor<Element> {
    let isRotated = name.contains(".self_attn.q_proj.") || name.contains(".self_attn.k_proj.")
    let width = configuration.headWidth
    guard isRotated, tensor.rank > 0, tensor.shape[0] % width == 0 else { return tensor }
    // Row 2i + s of a head becomes row i + s·d/2.
    let order = (0..<tensor.shape[0]).map { row -> Int32 in
      let (head, place) = (row / width, row % width)
      return Int32(head * width + place % (width / 2) * 2 + place / (width / 2))
    }
    return tensor.rows(order)
  }
}
