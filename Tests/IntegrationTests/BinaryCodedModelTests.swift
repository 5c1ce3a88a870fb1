import Autograd
import Checkpoints
import Foundation
import ModelSupport
import Quantization
import Tensor
import TestSupport
import Testing
import Transformer

/// Whole models of binary codes: written, read back, exported.
@Suite struct BinaryCodedModelTests {
  private func quantize(
    _ source: PretrainedModel,
    _ configuration: QuantizationConfiguration,
    to path: String
  ) throws -> (report: QuantizationReport, model: PackedModel) {
    let report = try CheckpointQuantizer(configuration).run(
      source.catalog,
      plan: source.quantizationPlan,
      to: URL(filePath: path)
    )
    return (report, try PackedModel(path))
  }

  static let codings: [(planes: Int, groupSize: Int?, rounds: Int, type: ScaleType)] = [
    (1, nil, 0, .float16), (3, 8, 15, .float16), (3, nil, 15, .float32), (2, 5, 1, .float16),
    (8, 64, 2, .float16),
  ]

  @Test(arguments: QuantizedModelTests.models, codings)
  func modelsComputeAsTheirWeightsSay(
    name: String,
    item: (planes: Int, groupSize: Int?, rounds: Int, type: ScaleType)
  ) throws {
    let source = try QuantizedModelTests().open(name)
    let coding = try BinaryCoding(
      planes: item.planes,
      groupSize: item.groupSize,
      rounds: item.rounds
    )
    let embedding = try WeightScheme(grid: QuantizationGrid(bits: 8), granularity: .outputChannel)
    for embeddingScheme in [nil, embedding] {
      let configuration = QuantizationConfiguration(
        binaryCoding: coding,
        scaleType: item.type,
        embeddingScheme: embeddingScheme
      )
      let dense = try DecoderModel(
        source.configuration,
        weights: QuantizingWeights(
          base: DenseWeights(source.catalog),
          configuration: configuration,
          embeddings: source.configuration.embeddingLayers
        )
      )
      try withTemporaryFolder { folder in
        let (report, packed) = try quantize(source, configuration, to: folder + "/model")
        let linear = source.configuration.blockLinearLayers
        let coded = report.layers.filter { linear.contains($0.name) }
        #expect(coded.map(\.name) == linear)
        #expect(coded.allSatisfy { $0.scheme == configuration.scheme })
        let file = try SafetensorsFile(path: folder + "/model/model.safetensors")
        #expect(report.byteCount == file.entries.reduce(0) { $0 + $1.byteRange.count })
        #expect(report.parameterCount == source.parameterCount)

        let model = try DecoderModel(packed.pretrained.configuration, weights: packed.weights)
        let layers = model.namedLinearLayers().filter { $0.layer is BinaryCodedLinear }
        #expect(layers.count == linear.count)
        let tokens = ExportSample.tokens
        let expected = dense(tokens, cache: dense.makeCache())
        let found = model(tokens, cache: model.makeCache())
        expectClose(found, expected, relative: 1e-4, absolute: 1e-4)
      }
    }
  }

  @Test func theSameInputGivesTheSameFile() throws {
    let source = try QuantizedModelTests().open("llama-tied")
    let configuration = QuantizationConfiguration(
      binaryCoding: try BinaryCoding(planes: 3, groupSize: 16)
    )
    try withTemporaryFolder { folder in
      let files = try ["a", "b"].map { name in
        _ = try quantize(source, configuration, to: folder + "/" + name)
        return try Data(contentsOf: URL(filePath: folder + "/\(name)/model.safetensors"))
      }
      #expect(files[0] == files[1])
    }
  }

  @Test func formatsOfUniformCodesAreRefusedWithTheLayer() throws {
    try withTemporaryFolder { folder in
      let source = try ExportSample().write(to: folder + "/source")
      let configuration = QuantizationConfiguration(
        binaryCoding: try BinaryCoding(planes: 4, groupSize: 32)
      )
      let model = try quantize(source, configuration, to: folder + "/own").model
      let layers = source.configuration.blockLinearLayers
      func expectRefusal(_ format: String, _ body: () throws -> Void) {
        let error = #expect(throws: QuantizationError.self) { try body() }
        guard case .inexportable(let layer, let found, let reason)? = error else {
          Issue.record("\(error.map { "\($0)" } ?? "nothing") is no refusal")
          return
        }
        #expect(layers.contains(layer) && found == format, "\(layer), \(found)")
        #expect(reason.contains("binary codes"))
      }
      for format in [PackedFolderConfiguration.Format.gptq, .awq, .compressedTensors] {
        expectRefusal(format.rawValue) { try model.export(format, to: folder + "/other") }
      }
      for storage in [GGUFExporter.Storage.automatic, .type(.q4_0), .type(.q8_0)] {
        expectRefusal("GGUF") { try model.exportGGUF(storage, to: folder + "/x.gguf") }
      }
      let left = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
      #expect(left == ["own", "source"])
    }
  }

  @Test func floatsOfGGUFHoldWhatTheCodesStandFor() throws {
    try withTemporaryFolder { folder in
      let source = try ExportSample().write(to: folder + "/source")
      let configuration = QuantizationConfiguration(
        binaryCoding: try BinaryCoding(planes: 3, groupSize: 32)
      )
      let model = try quantize(source, configuration, to: folder + "/own").model
      try model.exportGGUF(.type(.float32), to: folder + "/x.gguf")
      let exported = try PretrainedModel(at: URL(filePath: folder + "/x.gguf")).makeModel()
      let found = exported(ExportSample.tokens, cache: exported.makeCache())
      expectClose(found, try model.logits(), relative: 1e-4, absolute: 1e-4)
    }
  }
}
