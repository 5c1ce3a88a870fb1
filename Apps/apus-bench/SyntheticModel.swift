import Autograd
import Checkpoints
import Foundation
import Tensor
import Transformer

/// A LLaMA of arbitrary weights, as wide as models of seven billion weights and a few blocks deep: it
/// exceeds every cache, and nobody has to fetch it.
enum SyntheticModel {
  static let configuration: TransformerConfiguration = {
    var shape = TransformerConfiguration(
      family: .llama,
      vocabularyCount: 4096,
      hiddenWidth: 4096,
      feedForwardWidth: 14_336,
      blockCount: 3,
      headCount: 32,
      keyHeadCount: 8,
      contextLength: 2048
    )
    shape.tiesEmbedding = false
    return shape
  }()

  /// Our model, all linear layers in one format.
  static func model(_ format: LowBitFormat) throws -> DecoderModel {
    try DecoderModel(configuration, weights: Weights(format: format))
  }

  /// The GGUF file with all matrices as one type, in the cache folder; written when it is not there.
  static func file(_ type: GGUFTensorType) throws -> URL {
    let folder = try ModelFolder.cache()
    let url = folder.appending(path: "synthetic-4096-\(type.name).gguf")
    guard !FileManager.default.fileExists(atPath: url.path) else { return url }
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let declarations = tensors.map { name, shape in
      GGUFDeclaration(name: name, type: shape.rank == 1 ? .float32 : type, shape: shape)
    }
    let writer = try GGUFWriter(path: url.path, metadata: metadata, tensors: declarations)
    for (name, shape) in tensors {
      if shape.rank == 1 {
        try writer.write(Tensor<Float>.ones(shape), named: name)
      } else {
        try writer.write(blocks: blocks(of: type, count: shape.count), named: name)
      }
    }
    try writer.finish()
    return url
  }

  /// Blocks of arbitrary codes with small scales.
  private static func blocks(of type: GGUFTensorType, count: Int) -> Tensor<UInt8> {
    let size = type.blockByteCount
    let scales: [Int] =
      switch type {
      case .q2_K: [80, 82]
      case .q3_K: [108]
      case .q4_K: [0, 2]
      default: [0]
      }
    return Tensor<UInt8>(uninitialized: [count / type.blockCount * size]) { bytes in
      var state: UInt32 = 1
      for index in bytes.indices {
        state = state &* 1_664_525 &+ 1_013_904_223
        bytes[index] = UInt8(truncatingIfNeeded: state >> 24)
      }
      for block in stride(from: 0, to: bytes.count, by: size) {
        // 2⁻¹⁰ in half precision.
        for place in scales { (bytes[block + place], bytes[block + place + 1]) = (0, 0x14) }
      }
    }
  }

  private static var metadata: [(key: String, value: GGUFField)] {
    let shape = configuration
    func number(_ value: Int) -> GGUFField { .uint32(UInt32(value)) }
    return [
      ("general.architecture", .string("llama")), ("llama.vocab_size", number(4096)),
      ("llama.context_length", number(shape.contextLength)),
      ("llama.embedding_length", number(shape.hiddenWidth)),
      ("llama.block_count", number(shape.blockCount)),
      ("llama.feed_forward_length", number(shape.feedForwardWidth)),
      ("llama.attention.head_count", number(shape.headCount)),
      ("llama.attention.head_count_kv", number(shape.keyHeadCount)),
      ("llama.attention.layer_norm_rms_epsilon", .float32(1e-5)),
      ("llama.rope.freq_base", .float32(10_000)), ("tokenizer.ggml.model", .string("none")),
    ]
  }

  private static var tensors: [(String, Shape)] {
    let shape = configuration
    let (width, inner) = (shape.hiddenWidth, shape.feedForwardWidth)
    let keys = shape.keyHeadCount * shape.headWidth
    let blocks = (0..<shape.blockCount).flatMap { block in
      let layers: [(String, Shape)] = [
        ("attn_norm", [width]), ("ffn_norm", [width]), ("attn_q", [width, width]),
        ("attn_k", [keys, width]), ("attn_v", [keys, width]), ("attn_output", [width, width]),
        ("ffn_gate", [inner, width]), ("ffn_up", [inner, width]), ("ffn_down", [width, inner]),
      ]
      return layers.map { ("blk.\(block).\($0.0).weight", $0.1) }
    }
    let table: Shape = [shape.vocabularyCount, width]
    return [
      ("token_embd.weight", table), ("output_norm.weight", [width]), ("output.weight", table),
    ]
      + blocks
  }

  private struct Weights: WeightSource {
    let format: LowBitFormat

    func contains(_ name: String) -> Bool { true }

    func tensor(_ name: String, shape: Shape) throws -> Tensor<Float> { .ones(shape) }

    func linear(
      _ name: String,
      outputWidth: Int,
      inputWidth: Int,
      hasBias: Bool
    ) throws -> any LinearLayer {
      InterleavedLinear(weight: format.matrix([outputWidth, inputWidth]))
    }
  }
}
