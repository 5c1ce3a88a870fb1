import Checkpoints
import Foundation
import Tensor
import TestSupport

/// A LLaMA of random weights in a folder, with the tokenizer of the fixtures.
struct TinyModel {
  var hiddenWidth = 32
  var feedForwardWidth = 48
  var blockCount = 2
  /// Whether all weights are zeros that take no room on the disk.
  var isSparse = false
  /// The rows of the embedding; the tokenizer has 512 ids.
  var vocabularyCount = 512

  /// Writes the folder.
  func write(to path: String) throws {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    for name in ["tokenizer.json", "tokenizer_config.json"] {
      try FileManager.default.copyItem(
        atPath: Fixtures.file("models/stories260k/" + name),
        toPath: path + "/" + name
      )
    }
    try Data(configuration.utf8).write(to: URL(filePath: path + "/config.json"))
    let weights = path + "/model.safetensors"
    try isSparse ? writeZeros(to: weights) : writeNoise(to: weights)
  }

  private func writeNoise(to path: String) throws {
    let writer = try SafetensorsWriter(
      path: path,
      tensors: shapes.map { name, shape in
        SafetensorsDeclaration(name: name, type: .float32, shape: shape)
      }
    )
    var generator = Philox(seed: 7)
    for (name, shape) in shapes {
      let noise = Tensor<Float>.normal(shape, using: &generator)
      let isNorm = shape.rank == 1
      try writer.write(noise * (isNorm ? 0.01 : 0.1) + (isNorm ? 1 : 0), named: name)
    }
    try writer.finish()
  }

  private func writeZeros(to path: String) throws {
    var end = 0
    let entries = shapes.map { name, shape in
      let start = end
      end += 4 * shape.count
      let extents = Array(shape.extents)
      return "\"\(name)\":{\"dtype\":\"F32\",\"shape\":\(extents),"
        + "\"data_offsets\":[\(start),\(end)]}"
    }
    var header = Data("{\(entries.joined(separator: ","))}".utf8)
    header.append(contentsOf: repeatElement(0x20, count: (8 - header.count % 8) % 8))
    let length = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Data($0) }
    try (length + header).write(to: URL(filePath: path))
    let file = try FileHandle(forUpdating: URL(filePath: path))
    try file.truncate(atOffset: UInt64(8 + header.count + end))
    try file.close()
  }

  private var configuration: String {
    """
    {"architectures": ["LlamaForCausalLM"], "model_type": "llama",
     "vocab_size": \(vocabularyCount), "hidden_size": \(hiddenWidth),
     "intermediate_size": \(feedForwardWidth), "num_hidden_layers": \(blockCount),
     "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 128,
     "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": true,
     "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu"}
    """
  }

  private var shapes: [(String, Shape)] {
    let (width, inner, keys) = (hiddenWidth, feedForwardWidth, hiddenWidth / 2)
    let blocks = (0..<blockCount).flatMap { block in
      let layers: [(String, Shape)] = [
        ("input_layernorm", [width]), ("post_attention_layernorm", [width]),
        ("self_attn.q_proj", [width, width]), ("self_attn.k_proj", [keys, width]),
        ("self_attn.v_proj", [keys, width]), ("self_attn.o_proj", [width, width]),
        ("mlp.gate_proj", [inner, width]), ("mlp.up_proj", [inner, width]),
        ("mlp.down_proj", [width, inner]),
      ]
      return layers.map { ("model.layers.\(block).\($0.0).weight", $0.1) }
    }
    return blocks + [
      ("model.embed_tokens.weight", [vocabularyCount, width]), ("model.norm.weight", [width]),
    ]
  }
}

/// Calls `body` with the paths of a tiny model and of a folder for results; both are removed.
func withTinyModel(
  _ model: TinyModel = TinyModel(),
  _ body: (_ model: String, _ folder: String) throws -> Void
) throws {
  try withTemporaryFolder { folder in
    try model.write(to: folder + "/tiny")
    try body(folder + "/tiny", folder)
  }
}

/// The names of all files in a folder, hidden ones included.
func names(in folder: String) throws -> [String] {
  try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
}
