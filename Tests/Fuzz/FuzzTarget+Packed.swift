import Checkpoints
import Foundation
import Quantization
import Tensor
import Transformer

extension FuzzTarget {
  static let packed = [quantizationConfiguration, binaryCodes]

  /// The object under `quantization_config`, of this package and of other tools.
  private static let quantizationConfiguration = FuzzTarget(
    name: "quantization-config",
    words: [
      "\"quant_method\":", "\"apus\"", "\"gptq\"", "\"awq\"", "\"compressed-tensors\"", "\"bits\":",
      "\"group_size\":", "\"sym\":", "\"desc_act\":", "\"checkpoint_format\":", "\"gptq_v2\"",
      "\"zero_point\":", "\"version\":", "\"gemm\"", "\"config_groups\":", "\"weights\":",
      "\"num_bits\":", "\"strategy\":", "\"symmetric\":", "\"ignore\":", "\"format\":",
      "\"linear\":",
      "\"granularity\":", "\"output-group\"", "\"scale_type\":", "\"range\":", "\"embedding\":",
      "\"activations\":", "\"sharing\":", "\"key_value_bits\":", "\"bcq\"", "\"planes\":", "-1",
    ],
    seeds: {
      let folders = try TinyModel(family: .llama).packedFolders()
      let documents = try folders.compactMap { folder in
        try JSONValue.read(folder + "/config.json")["quantization_config"]?.serializedBytes()
      }
      let binary = QuantizationConfiguration(
        binaryCoding: try BinaryCoding(planes: 3, groupSize: 8, rounds: 2),
        embeddingScheme: try WeightScheme(grid: QuantizationGrid(bits: 8), granularity: .tensor)
      )
      return documents + [JSONValue.object(binary.document).serializedBytes()]
    }
  ) { bytes in
    guard let document = try JSONValue.parse(bytes).objectValue else { return }
    guard case .own(let found) = try ModelQuantization(document: document, path: "fuzz") else {
      return
    }
    let again = try QuantizationConfiguration(document: found.document, path: "copy")
    demand(again == found, "written again it is another configuration")
  }

  /// A matrix of binary codes in the open form of a safetensors file.
  private static let binaryCodes = FuzzTarget(
    name: "binary-codes",
    words: ["\"I32\"", "\"F16\"", "\"F32\"", "layer.", "\"shape\":[3,12,2]"],
    seeds: {
      var generator = Philox(seed: 3)
      let weight = Tensor<Float>.normal([12, 40], using: &generator)
      let matrix = try BinaryCoding(planes: 3, groupSize: 8, rounds: 1).quantize(weight)
      return [
        try OpenSafetensors.input(
          Scratch.bytes("seed") { path in
            let writer = try SafetensorsWriter(
              path: path,
              tensors: matrix.declarations(named: "layer")
            )
            try matrix.write(to: writer, named: "layer")
            try writer.finish()
          }
        )
      ]
    }
  ) { bytes in
    let path = Scratch.file("fuzz.safetensors", OpenSafetensors.file(bytes))
    let file = try Checkpoint(path: path, mode: .inMemory)
    guard BinaryCodedMatrix.isStored("layer", in: file) else { return }
    for groupSize in [8, nil] {
      do {
        let matrix = try BinaryCodedMatrix(
          named: "layer",
          shape: [12, 40],
          groupSize: groupSize,
          in: file
        )
        _ = matrix.dequantized()
      } catch {
        demand(!"\(error)".isEmpty, "an error without a text")
      }
    }
  }
}
