import Checkpoints
import Foundation
import Quantization
import Support
import Tensor
import Transformer

/// The extents of a model's layers: all that a table of memory needs.
struct ModelShape {
  /// The linear layers inside the blocks.
  var layers: [TuningMemory.Layer] = []
  /// All other numbers.
  var otherCount = 0
  /// The paths of the layers in the module, by their names: what all families share.
  var paths: [String: String] = [:]
  /// Why `train` has no LoRA for it; nil where it has.
  var lackOfLowRank: String?

  private var linearCount: Int { layers.reduce(0) { $0 + $1.outputWidth * $1.inputWidth } }

  /// The shape of a model that this program can load.
  init(_ configuration: TransformerConfiguration) {
    let suffix = ".weight"
    for tensor in configuration.tensors
    where tensor.path.hasPrefix("blocks.") && tensor.shape.rank == 2
      && tensor.path.hasSuffix(suffix)
    {
      let name = String(tensor.name.dropLast(suffix.count))
      layers.append(
        TuningMemory.Layer(
          name: name,
          outputWidth: tensor.shape[0],
          inputWidth: tensor.shape[1]
        )
      )
      paths[name] = paths[name] ?? String(tensor.path.dropLast(suffix.count))
    }
    otherCount = configuration.parameterCount - linearCount
    do { try LowRankAdapterFolder.check(configuration, configuration.family.rawValue) } catch {
      lackOfLowRank = "\(error)"
    }
  }

  /// The shape of a family of the papers' tables that this program does not load; nil for others.
  ///
  /// - Source: the configurations of `gptj` and `gpt_neo` in the transformers library.
  init?(unloadable document: JSONValue) {
    func number(_ name: String) -> Int? {
      document[name]?.intValue.flatMap { 1...1 << 24 ~= $0 ? $0 : nil }
    }
    let isGPTJ = document["model_type"]?.stringValue == "gptj"
    guard isGPTJ || document["model_type"]?.stringValue == "gpt_neo",
      let width = number(isGPTJ ? "n_embd" : "hidden_size"),
      let blocks = number(isGPTJ ? "n_layer" : "num_layers"), blocks <= 1 << 12,
      let tokens = number("vocab_size")
    else { return nil }
    let inner = number(isGPTJ ? "n_inner" : "intermediate_size") ?? 4 * width
    // A layer's name, its path, its extents, and whether it has a bias.
    let attention = isGPTJ ? "attn." : "attn.attention."
    let kinds = [
      (attention + "q_proj", "attention.query", width, width, false),
      (attention + "k_proj", "attention.key", width, width, false),
      (attention + "v_proj", "attention.value", width, width, false),
      (attention + "out_proj", "attention.output", width, width, !isGPTJ),
      (isGPTJ ? "mlp.fc_in" : "mlp.c_fc", "feedForward.up", inner, width, true),
      (isGPTJ ? "mlp.fc_out" : "mlp.c_proj", "feedForward.down", width, inner, true),
    ]
    for block in 0..<blocks {
      for (name, path, rows, columns, hasBias) in kinds {
        let full = "transformer.h.\(block).\(name)"
        layers.append(TuningMemory.Layer(name: full, outputWidth: rows, inputWidth: columns))
        paths[full] = "blocks.\(block).\(path)"
        if hasBias { otherCount += rows }
      }
    }
    // GPT-J has one norm a block, no table of positions, and a head of its own with a bias.
    otherCount += (isGPTJ ? 1 : 2) * blocks * 2 * width + 2 * width + tokens * width
    otherCount +=
      isGPTJ ? tokens * width + tokens : (number("max_position_embeddings") ?? 2048) * width
    lackOfLowRank = "this program does not load models of this family"
  }
}
