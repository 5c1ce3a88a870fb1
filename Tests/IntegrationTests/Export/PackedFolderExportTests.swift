import Autograd
import Checkpoints
import Foundation
import Quantization
import Tensor
import TestSupport
import Testing
import Transformer

/// Quantized models in the folders of other tools, and back.
@Suite struct PackedFolderExportTests {
  typealias Format = PackedFolderConfiguration.Format

  static let cases: [(Format, Int, Bool, Granularity)] = [
    (.gptq, 4, false, .outputChannel), (.gptq, 4, true, .inputGroups(32)),
    (.gptq, 3, false, .inputGroups(16)), (.gptq, 2, false, .inputGroups(64)),
    (.gptq, 8, true, .outputChannel), (.gptq, 4, false, .tensor),
    (.awq, 4, false, .inputGroups(32)), (.awq, 4, true, .outputChannel),
    (.compressedTensors, 4, false, .inputGroups(16)),
    (.compressedTensors, 8, true, .outputChannel), (.compressedTensors, 3, false, .outputChannel),
    (.compressedTensors, 4, false, .tensor),
  ]

  @Test(arguments: cases)
  func aModelThatIsReadBackGivesTheSameNumbers(
    format: Format,
    bits: Int,
    symmetric: Bool,
    granularity: Granularity
  ) throws {
    for (type, isTied) in [("llama", true), ("qwen2", false)] {
      try withTemporaryFolder { folder in
        let source = try ExportSample(modelType: type, isTied: isTied).write(to: folder + "/source")
        let model = try PackedModel(
          source,
          .sample(bits, symmetric: symmetric, granularity),
          to: folder + "/own"
        )
        let report = try model.export(format, to: folder + "/other")
        #expect(report.isExact)
        let found = try PackedModel(folder + "/other")
        #expect(found.pretrained.configuration == source.configuration)
        for layer in source.configuration.tensors
        where source.configuration.blockLinearLayers.contains(String(layer.name.dropLast(7))) {
          let name = String(layer.name.dropLast(7))
          let (left, right) = (
            try model.weights.matrix(name, shape: layer.shape),
            try found.weights.matrix(name, shape: layer.shape)
          )
          #expect(left.codes() == right.codes() && left.dequantized() == right.dequantized())
        }
        // One step size for a matrix becomes one for each row: other sums, the same weights.
        if granularity == .tensor {
          expectClose(try found.logits(), try model.logits(), relative: 1e-5, absolute: 1e-5)
        } else {
          #expect(try found.logits() == model.logits())
        }
        let file = try SafetensorsFile(path: folder + "/other/model.safetensors")
        #expect(file.names.contains("lm_head.weight") == !isTied)
        #expect(report.byteCount == file.entries.reduce(0) { $0 + $1.byteRange.count })
      }
    }
  }

  @Test func gptqTakesVersionTwoForAZeroPointOfZero() throws {
    try withTemporaryFolder { folder in
      let source = try ExportSample().write(to: folder + "/source")
      let matrix = try PackedModel(source, .sample(4), to: folder + "/own")
      #expect(try matrix.export(.gptq, to: folder + "/one").format == "gptq")
      // Weights of one sign have the zero point 0.
      var positive: [String: Tensor<Float>] = [:]
      for tensor in source.configuration.tensors {
        let values = try source.catalog.floats(tensor.name)
        positive[tensor.name] = Tensor(values.elements.map { abs($0) }, shape: tensor.shape)
      }
      try SafetensorsFile.write(positive, to: folder + "/source/model.safetensors")
      let changed = try PretrainedModel(at: URL(filePath: folder + "/source"))
      let model = try PackedModel(changed, .sample(4), to: folder + "/own2")
      #expect(try model.export(.gptq, to: folder + "/two").format == "gptq_v2")
      let document = try JSONValue.read(folder + "/two/quantize_config.json")
      #expect(document["checkpoint_format"]?.stringValue == "gptq_v2")
      #expect(document["sym"]?.boolValue == false && document["group_size"]?.intValue == -1)
      #expect(try PackedModel(folder + "/two").logits() == model.logits())
    }
  }

  @Test func aQuantizedEmbeddingBecomesNumbers() throws {
    try withTemporaryFolder { folder in
      let source = try ExportSample().write(to: folder + "/source")
      let model = try PackedModel(
        source,
        .sample(4),
        embedding: .sample(8),
        to: folder + "/own"
      )
      let report = try model.export(.gptq, to: folder + "/other")
      let losses = report.entries.filter { $0.loss != nil }
      #expect(losses.map(\.name) == ["model.embed_tokens.weight"])
      #expect(losses.first?.loss?.contains("linear layers only") == true)
      // Half precision keeps 11 bits of each number of the embedding, which the head shares.
      let (found, wanted) = (try PackedModel(folder + "/other").logits(), try model.logits())
      expectClose(found, wanted, relative: 2e-3, absolute: 2e-3)
    }
  }

  @Test(
    arguments: [
      (.awq, 3, .outputChannel, 64, "holds 4 bits"), (.gptq, 5, .outputChannel, 64, "2, 3, 4 or 8"),
      (.gptq, 4, .outputGroups(8), 64, "not groups of outputs"),
      (.gptq, 4, .outputChannel, 48, "multiples of 32"),
      (.awq, 4, .inputGroups(48), 64, "multiples of 48"),
      (.gptq, 4, .inputGroups(48), 64, "multiples of 48"),
      (.compressedTensors, 4, .inputGroups(40), 64, "multiples of 40"),
    ] as [(Format, Int, Granularity, Int, String)]
  )
  func whatAFormatCannotHoldIsRefusedByName(
    format: Format,
    bits: Int,
    granularity: Granularity,
    width: Int,
    reason: String
  ) throws {
    try withTemporaryFolder { folder in
      let source = try ExportSample(hiddenWidth: width).write(to: folder + "/source")
      let model = try PackedModel(source, .sample(bits, granularity), to: folder + "/own")
      let error = #expect(throws: QuantizationError.self) {
        try model.export(format, to: folder + "/other")
      }
      let text = "\(try #require(error))"
      #expect(text.contains(reason) && text.contains("model.layers.0.self_attn.q_proj"), "\(text)")
      #expect(!FileManager.default.fileExists(atPath: folder + "/other"))
    }
  }

  /// A group that is longer than any row is the row, which readers call −1.
  @Test func longGroupsAreRows() throws {
    try withTemporaryFolder { folder in
      let source = try ExportSample(hiddenWidth: 64).write(to: folder + "/source")
      let model = try PackedModel(source, .sample(4, .inputGroups(4096)), to: folder + "/own")
      try model.export(.gptq, to: folder + "/other")
      let document = try JSONValue.read(folder + "/other/config.json")
      #expect(document["quantization_config"]?["group_size"]?.intValue == -1)
      let (found, wanted) = (try PackedModel(folder + "/other").logits(), try model.logits())
      expectClose(found, wanted, relative: 2e-3, absolute: 2e-3)
    }
  }

  @Test func stepSizesOfFullPrecisionAreRefusedOrRounded() throws {
    try withTemporaryFolder { folder in
      let source = try ExportSample().write(to: folder + "/source")
      let model = try PackedModel(source, .sample(4, scales: .float32), to: folder + "/own")
      let error = #expect(throws: QuantizationError.self) {
        try model.export(.gptq, to: folder + "/other")
      }
      let text = "\(try #require(error))"
      #expect(text.contains("--round-scales"), "\(text)")
      let report = try model.export(.gptq, to: folder + "/other", stepSizes: .nearest)
      #expect(!report.isExact)
      let found = try PackedModel(folder + "/other").logits()
      expectClose(found, try model.logits(), relative: 5e-3, absolute: 5e-3)
    }
  }

  @Test(
    arguments: [
      (["quant_method": "bitsandbytes"], "bitsandbytes"),
      (["quant_method": "gptq"], "'bits'"),
      (["quant_method": "gptq", "bits": 4, "group_size": 0], "'group_size'"),
      (["quant_method": "gptq", "bits": 4, "checkpoint_format": "marlin"], "marlin"),
      (["quant_method": "awq", "bits": 4, "version": "gemv"], "gemv"),
      (["quant_method": "compressed-tensors", "format": "float-quantized"], "float-quantized"),
      (
        ["quant_method": "compressed-tensors", "format": "pack-quantized", "config_groups": [:]],
        "exactly one group"
      ),
    ] as [(JSONObject, String)]
  )
  func unknownConfigurationsAreRefused(document: JSONObject, reason: String) throws {
    let error = #expect(throws: QuantizationError.self) {
      try ModelQuantization(document: document, path: "config.json")
    }
    let text = "\(try #require(error))"
    #expect(text.contains(reason), "\(text)")
  }

  @Test func damagedTensorsAreRefused() throws {
    try withTemporaryFolder { folder in
      let source = try ExportSample().write(to: folder + "/source")
      let model = try PackedModel(source, .sample(4), to: folder + "/own")
      try model.export(.gptq, to: folder + "/other")
      let path = folder + "/other/model.safetensors"
      let layer = "model.layers.1.mlp.down_proj."
      let file = try SafetensorsFile(path: path, mode: .inMemory)
      let (rows, columns) = (64, 256)
      let damages: [SafetensorsItem] = [
        SafetensorsItem(layer + "qweight", Tensor<Int32>.zeros([3, rows])),
        SafetensorsItem(layer + "scales", Tensor<Float16>(repeating: .infinity, shape: [1, rows])),
        SafetensorsItem(layer + "scales", Tensor<Float16>.zeros([rows])),
        SafetensorsItem(layer + "g_idx", Tensor<Int32>(repeating: 7, shape: [columns])),
        SafetensorsItem(layer + "g_idx", Tensor<Int32>(repeating: -1, shape: [columns])),
      ]
      for damage in damages {
        let others = try file.entries.filter { $0.name != damage.declaration.name }
          .map { entry in
            entry.type == .int32
              ? SafetensorsItem(entry.name, try file.tensor(named: entry.name, as: Int32.self))
              : SafetensorsItem(entry.name, try file.tensor(named: entry.name, as: Float16.self))
          }
        try SafetensorsFile.write(others + [damage], to: path)
        let damaged = try PackedModel(folder + "/other")
        #expect(throws: (any Error).self) { try damaged.logits() }
      }
    }
  }
}
