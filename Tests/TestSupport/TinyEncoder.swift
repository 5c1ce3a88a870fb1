import Checkpoints
import Foundation
import Tensor

/// A BERT of random weights in a folder, with the WordPiece tokenizer of the fixtures.
public struct TinyEncoder {
  /// D.
  public static let width = 16
  /// The most tokens of a text.
  public static let contextLength = 64

  /// Writes the folder.
  public static func write(to path: String) throws {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    try FileManager.default.copyItem(
      atPath: Fixtures.file("transformer/tokenizers/wordpiece-bert/tokenizer.json"),
      toPath: path + "/tokenizer.json"
    )
    try AtomicFile.write(configuration, to: path + "/config.json")
    var generator = Philox(seed: 3)
    let tensors = shapes.map { name, shape in
      let noise = Tensor<Float>.normal(shape, deviation: 0.3, using: &generator)
      return (name, name.hasSuffix("LayerNorm.weight") ? noise * 0.1 + 1 : noise)
    }
    try SafetensorsFile.write(
      Dictionary(uniqueKeysWithValues: tensors),
      to: path + "/model.safetensors"
    )
  }

  private static let configuration = """
    {"architectures": ["BertModel"], "model_type": "bert", "vocab_size": 420,
     "hidden_size": \(width), "num_hidden_layers": 1, "num_attention_heads": 2,
     "intermediate_size": 24, "hidden_act": "gelu", "max_position_embeddings": \(contextLength),
     "type_vocab_size": 2, "layer_norm_eps": 1e-12, "pad_token_id": 0}
    """

  private static var shapes: [(String, Shape)] {
    let layer = "encoder.layer.0."
    func dense(_ name: String, _ input: Int, _ output: Int) -> [(String, Shape)] {
      [(name + ".weight", [output, input]), (name + ".bias", [output])]
    }
    func norm(_ name: String) -> [(String, Shape)] {
      ["weight", "bias"].map { ("\(name).LayerNorm.\($0)", [width]) }
    }
    let embeddings: [(String, Shape)] = [
      ("embeddings.word_embeddings.weight", [420, width]),
      ("embeddings.position_embeddings.weight", [contextLength, width]),
      ("embeddings.token_type_embeddings.weight", [2, width]),
    ]
    let attention = ["self.query", "self.key", "self.value", "output.dense"].flatMap {
      dense(layer + "attention." + $0, width, width)
    }
    return embeddings + norm("embeddings") + attention + norm(layer + "attention.output")
      + dense(layer + "intermediate.dense", width, 24) + dense(layer + "output.dense", 24, width)
      + norm(layer + "output") + dense("pooler.dense", width, width)
  }
}
