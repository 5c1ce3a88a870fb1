import Autograd
import Checkpoints
import Tensor

extension GGUFFormat {
  /// The family of a file; nil if no family here has its architecture.
  static func family(of file: GGUFFile) -> (family: ModelFamily, format: GGUFFormat)? {
    for family in ModelFamily.allCases {
      if let format = family.format.gguf, format.architecture == file.architecture {
        return (family, format)
      }
    }
    return nil
  }

  /// The configuration that a file's metadata and tensors say.
  func configuration(
    _ file: GGUFFile,
    _ family: ModelFamily
  ) throws -> TransformerConfiguration {
    let reader = ConfigurationReader(path: file.path) { file.metadata[$0]?.jsonValue }
    return try configuration(file, family, reader)
  }

  /// The configuration that metadata say about the tensors of a file.
  func configuration(
    _ file: any TensorCatalog,
    _ family: ModelFamily,
    _ reader: ConfigurationReader
  ) throws -> TransformerConfiguration {
    let prefix = architecture + "."
    let width = try reader.integer(prefix + "embedding_length", in: ConfigurationLimits.width)
    let heads = try reader.integer(prefix + "attention.head_count", in: ConfigurationLimits.heads)
    let rotaryWidth = prefix + "rope.dimension_count"
    var shape = TransformerConfiguration(
      family: family,
      vocabularyCount: try vocabularyCount(file, reader),
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
          default: max(width / heads, 1)
        )
      ),
      contextLength: try reader.integer(
        prefix + "context_length",
        in: ConfigurationLimits.context,
        default: 2048
      )
    )
    shape.normEpsilon = try reader.positive(
      prefix + "attention.layer_norm_rms_epsilon",
      default: try reader.positive(prefix + "attention.layer_norm_epsilon", default: 1e-5)
    )
    shape.rotaryBase = try reader.positive(prefix + "rope.freq_base", default: 10_000)
    shape.rotaryScaling = try rotaryScaling(reader, file)
    shape.tiesEmbedding = file.describe("output.weight") == nil
    shape.hasAttentionBias = file.describe("blk.0.attn_q.bias") != nil
    shape.hasAttentionOutputBias = file.describe("blk.0.attn_output.bias") != nil
    shape.hasFeedForwardBias = file.describe("blk.0.ffn_up.bias") != nil
    try family.format.adapt(&shape, reader)
    try shape.validate(
      reader,
      heads: prefix + "attention.head_count_kv",
      width: prefix + "attention.key_length"
    )
    try checkRotaryWidth(shape, reader, rotaryWidth)
    try checkPositions(&shape, file, reader)
    return shape
  }

  private func vocabularyCount(
    _ file: any TensorCatalog,
    _ reader: ConfigurationReader
  ) throws -> Int {
    guard let embedding = file.describe("token_embd.weight"), embedding.shape.rank == 2 else {
      throw CheckpointError.missingTensor(path: file.path, name: "token_embd.weight", near: [])
    }
    let key = architecture + ".vocab_size"
    let rows = embedding.shape[0]
    let declared = try reader.integer(key, in: ConfigurationLimits.vocabulary, default: rows)
    guard declared == rows else {
      throw reader.invalid(key, "is \(declared), the embedding has \(rows) rows")
    }
    return declared
  }

  private func checkRotaryWidth(
    _ shape: TransformerConfiguration,
    _ reader: ConfigurationReader,
    _ key: String
  ) throws {
    guard shape.positions == .rotary else { return }
    let turned = try reader.integer(
      key,
      in: ConfigurationLimits.width,
      default: shape.headWidth
    )
    guard turned == shape.headWidth else {
      throw reader.invalid(
        key,
        "is \(turned): only whole heads of \(shape.headWidth) can turn"
      )
    }
  }

  /// Learned positions and token types have as many rows as their tensors.
  private func checkPositions(
    _ shape: inout TransformerConfiguration,
    _ file: any TensorCatalog,
    _ reader: ConfigurationReader
  ) throws {
    if case .learned(let offset) = shape.positions,
      let table = file.describe("position_embd.weight"), table.shape.rank == 2
    {
      guard table.shape[0] > offset else {
        throw reader.invalid("position_embd.weight", "has \(table.shape[0]) rows")
      }
      shape.contextLength = table.shape[0] - offset
    }
    guard shape.tokenTypeCount > 0 else { return }
    let types = file.describe("token_types.weight")?.shape
    shape.tokenTypeCount = types.map { $0.rank == 2 ? $0[0] : 0 } ?? 0
  }

  private func rotaryScaling(
    _ reader: ConfigurationReader,
    _ file: any TensorCatalog
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
}
