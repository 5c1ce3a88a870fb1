import Autograd
import Checkpoints
import Foundation
import Quantization
import Tensor
import TestSupport
import Testing
import Transformer

/// Models as GGUF files, and back.
@Suite struct GGUFExportTests {
  private func logits(_ path: String) throws -> Tensor<Float> {
    let model = try PretrainedModel(at: URL(filePath: path)).makeModel()
    return model([1, 5, 9, 33, 2, 7, 60], cache: model.makeCache())
  }

  private func write(
    _ source: PretrainedModel,
    _ storage: GGUFExporter.Storage = .automatic,
    to path: String
  ) throws -> ExportReport {
    try GGUFExporter(storage).run(
      source.catalog,
      plan: source.ggufPlan(),
      packed: nil,
      to: path
    )
  }

  // MARK: - Full precision

  @Test(arguments: ["llama", "llama-tied", "qwen2", "qwen3", "gemma3_text", "olmo2", "gpt2"])
  func familiesAreReadBack(name: String) throws {
    let source = Fixtures.folder("transformer/models/" + name)
    try withTemporaryFolder { folder in
      let path = folder + "/model.gguf"
      let report = try write(PretrainedModel(at: URL(filePath: source)), to: path)
      #expect(report.isExact)
      // Gemma's norms are stored as 1 + w, which rounds; divisors of Llama 3 are quotients.
      expectClose(try logits(path), try logits(source), relative: 1e-5, absolute: 2e-5)
    }
  }

  /// A model of random weights in a folder, as one that was trained here.
  private func writeOwn(_ change: (inout TransformerConfiguration) -> Void, to path: String) throws
  {
    var shape = TransformerConfiguration(
      vocabularyCount: 64,
      hiddenWidth: 32,
      feedForwardWidth: 48,
      blockCount: 2,
      headCount: 4,
      contextLength: 64
    )
    (shape.family, shape.keyHeadCount) = (.apus, 2)
    change(&shape)
    let deviation = InitialDeviation(matrices: 0.3)
    let weights = InitialWeights(shape, deviation: deviation, using: Philox(seed: 3))
    try DecoderModel(shape, weights: weights).save(to: URL(filePath: path), documents: [:])
  }

  @Test(arguments: [(NormPlacement.peri, "glm4"), (.pre, "llama")], [false, true])
  func ownModelsAreReadBack(placement: (NormPlacement, String), tied: Bool) throws {
    try withTemporaryFolder { folder in
      let (source, path) = (folder + "/own", folder + "/model.gguf")
      try writeOwn({ ($0.placement, $0.tiesEmbedding) = (placement.0, tied) }, to: source)
      let report = try write(PretrainedModel(at: URL(filePath: source)), to: path)
      #expect(report.isExact)
      let file = try GGUFFile(path: path)
      #expect(file.architecture == placement.1)
      if placement.0 == .peri {
        // llama.cpp has the gate's rows above the others in one matrix.
        #expect(file.names.contains("blk.1.ffn_up.weight"))
        #expect(!file.names.contains("blk.1.ffn_gate.weight"))
        #expect(file["blk.1.ffn_up.weight"]?.extents == [96, 32])
      }
      expectClose(try logits(path), try logits(source), relative: 1e-5, absolute: 2e-5)
    }
  }

  @Test func ownModelsThatNoArchitectureHasAreRefused() throws {
    let cases: [((inout TransformerConfiguration) -> Void, String)] = [
      ({ $0.placement = .post }, "'placement' is \"post\""),
      ({ ($0.placement, $0.normalizesEmbedding) = (.peri, true) }, "'normalizesEmbedding' is true"),
      ({ ($0.placement, $0.queryKeyNorm) = (.peri, .perHead) }, "'queryKeyNorm'"),
      ({ ($0.placement, $0.feedForward) = (.peri, .gated(.geluTanh)) }, "'feedForward'"),
    ]
    for (change, reason) in cases {
      try withTemporaryFolder { folder in
        try writeOwn(change, to: folder + "/own")
        let error = #expect(throws: ModelError.self) {
          try PretrainedModel(at: URL(filePath: folder + "/own")).ggufPlan()
        }
        let text = "\(try #require(error))"
        #expect(text.contains(reason) && text.contains("use another format"), "\(text)")
      }
    }
  }

  @Test(
    arguments: Fixtures.names(in: "transformer/gguf", suffix: ".gguf").filter { $0 != "bert.gguf" }
  )
  func filesOfLlamaCppAreReadBack(name: String) throws {
    let source = Fixtures.file("transformer/gguf/" + name)
    try withTemporaryFolder { folder in
      let path = folder + "/model.gguf"
      _ = try write(PretrainedModel(at: URL(filePath: source)), .type(.float32), to: path)
      expectClose(try logits(path), try logits(source), relative: 1e-5, absolute: 2e-5)
      // Names, shapes and keys are llama.cpp's: nothing that the converter writes is missing.
      let (found, wanted) = (try GGUFFile(path: path), try GGUFFile(path: source))
      #expect(Set(found.names) == Set(wanted.names))
      for name in wanted.names { #expect(found[name]?.extents == wanted[name]?.extents, "\(name)") }
      let keys = wanted.metadata.keys.filter { $0.hasPrefix(wanted.architecture + ".") }
      for key in keys where found.metadata[key] != nil {
        let values = (found.metadata[key]?.doubleValue, wanted.metadata[key]?.doubleValue)
        #expect(values.0 == values.1, "\(key)")
      }
    }
  }

  @Test(arguments: [
    ("opt", "supported are llama, mistral, qwen2"), ("bert", "supported are llama"),
    ("mistral", "'windows'"), ("gemma2", "'attentionScale'"),
  ])
  func whatTheArchitectureCannotSayIsRefused(name: String, reason: String) throws {
    let source = Fixtures.folder("transformer/models/" + name)
    let error = #expect(throws: ModelError.self) {
      try PretrainedModel(at: URL(filePath: source)).ggufPlan()
    }
    let text = "\(try #require(error))"
    #expect(text.contains(reason), "\(text)")
  }

  /// The largest error that rounding leaves, by the largest number of the matrix: half a step, which
  /// is 1/127 in Q8_0 and at most 2/15 in Q4_1, both a little more for the half-precision step; a
  /// whole step of 1/8 in Q4_0, where the other sign ends at 7/8.
  @Test(
    arguments: [
      (.float16, 0), (.q8_0, 0.0041), (.q4_1, 0.0685), (.q4_0, 0.1256),
    ] as [(GGUFTensorType, Float)]
  )
  func floatsAreRoundedOnDemand(type: GGUFTensorType, error: Float) throws {
    try withTemporaryFolder { folder in
      let source = try ExportSample().write(to: folder + "/source")
      let report = try write(source, .type(type), to: folder + "/x.gguf")
      #expect(report.isExact == (type == .float16))
      let file = try GGUFFile(path: folder + "/x.gguf")
      #expect(file["blk.0.ffn_down.weight"]?.type == type)
      #expect(file["token_embd.weight"]?.type == (type == .float16 ? .float16 : .q8_0))
      #expect(file["blk.0.attn_norm.weight"]?.type == .float32)
      #expect(file["output.weight"] == nil)
      let weight = try source.catalog.floats("model.layers.0.mlp.down_proj.weight")
      if type.isQuantized {
        let blocks = try file.withUnsafeBytes(of: "blk.0.ffn_down.weight") { Tensor(Array($0)) }
        #expect(try GGUFBlocks.rounding(weight, as: type).elements == blocks.elements)
      }
      let found = try PretrainedModel(at: URL(filePath: folder + "/x.gguf"))
      for tensor in source.configuration.tensors {
        let wanted = try source.catalog.floats(tensor.name)
        let largest = wanted.elements.reduce(0) { max($0, abs($1)) }
        let values = try found.catalog.floats(tensor.name)
        expectClose(values, wanted, absolute: error * largest, tensor.name)
      }
    }
  }

  @Test func tokenizersComeAlong() throws {
    try withTinyModel { model, folder in
      let source = try PretrainedModel(at: URL(filePath: model))
      _ = try write(source, to: folder + "/x.gguf")
      let found = try PretrainedModel(at: URL(filePath: folder + "/x.gguf"))
      let (left, right) = (try source.requireTokenizer(), try found.requireTokenizer())
      for text in ["Once upon a time, Lily saw 12 “cats”.", " two  spaces", "é €\n", "</s>a"] {
        #expect(left.encode(text) == right.encode(text), "\(text)")
      }
      #expect(found.stopTokens == source.stopTokens)
      // Written once more, the keys are copied from the file.
      _ = try write(found, to: folder + "/y.gguf")
      let files = try ["/x.gguf", "/y.gguf"].map { try GGUFFile(path: folder + $0) }
      for (key, value) in files[0].metadata where key.hasPrefix("tokenizer.") {
        #expect(files[1].metadata[key].map { GGUFField($0) } == GGUFField(value), "\(key)")
      }
    }
  }

  // MARK: - Codes

  static let exact: [(Int, Bool, Granularity, GGUFTensorType)] = [
    (2, false, .outputChannel, .q2_K), (2, false, .inputGroups(32), .q4_0),
    (3, false, .outputChannel, .q4_0), (3, false, .inputGroups(32), .q4_0),
    (4, true, .inputGroups(64), .q4_0), (4, false, .inputGroups(32), .q5_0),
    (4, false, .outputChannel, .q4_K), (6, false, .tensor, .q8_0),
    (5, true, .inputGroups(32), .q5_0), (6, false, .outputChannel, .q8_0),
    (8, true, .outputChannel, .q8_0),
  ]

  /// Rows of 256 for all matrices, so that blocks of 256 fit too.
  @Test(arguments: exact) func codesStayAsTheyAre(
    bits: Int,
    symmetric: Bool,
    granularity: Granularity,
    type: GGUFTensorType
  ) throws {
    try withTemporaryFolder { folder in
      let source = try ExportSample(isTied: false, hiddenWidth: 256).write(to: folder + "/source")
      let model = try PackedModel(
        source,
        .sample(bits, symmetric: symmetric, granularity),
        to: folder + "/own"
      )
      let report = try model.exportGGUF(to: folder + "/x.gguf")
      #expect(report.isExact)
      let file = try GGUFFile(path: folder + "/x.gguf")
      let types = Set(file.entries.filter { $0.extents.count == 2 }.map(\.type))
      #expect(types == [type, .float16])
      let found = try PretrainedModel(at: URL(filePath: folder + "/x.gguf"))
      for tensor in source.configuration.tensors {
        let layer = String(tensor.name.dropLast(7))
        guard model.weights.isPacked(layer) else { continue }
        let matrix = try model.weights.matrix(layer, shape: tensor.shape)
        #expect(try found.catalog.floats(tensor.name) == matrix.dequantized(), "\(tensor.name)")
      }
      expectClose(
        try logits(folder + "/x.gguf"),
        try model.logits(tokens: [1, 5, 9, 33, 2, 7, 60]),
        relative: 1e-4,
        absolute: 1e-4
      )
    }
  }

  @Test func narrowRowsTakeNarrowBlocks() throws {
    try withTemporaryFolder { folder in
      let source = try ExportSample(modelType: "qwen2").write(to: folder + "/source")
      let model = try PackedModel(source, .sample(4), to: folder + "/own")
      #expect(try model.exportGGUF(to: folder + "/x.gguf").isExact)
      let file = try GGUFFile(path: folder + "/x.gguf")
      #expect(file["blk.0.attn_q.weight"]?.type == .q5_0)
      #expect(file["blk.0.ffn_down.weight"]?.type == .q4_K)
      #expect(file["blk.0.attn_q.bias"]?.type == .float32)
      // Q4_1 is nearly exact: its minima are half-precision numbers.
      let report = try model.exportGGUF(.type(.q4_1), to: folder + "/y.gguf")
      #expect(report.losses.map(\.reason) == ["minima rounded to half precision (Q4_1)"])
      expectClose(
        try logits(folder + "/y.gguf"),
        try logits(folder + "/x.gguf"),
        relative: 2e-2,
        absolute: 2e-2
      )
    }
  }

  @Test(
    arguments: [
      (4, .outputChannel, .type(.q4_K), "Q5_0 holds it exactly"),
      (4, .outputChannel, .type(.q4_0), "from -8 to 7"),
      (4, .inputGroups(20), .automatic, "group sizes for Q8_0 in multiples of 32"),
      (4, .outputGroups(8), .automatic, "not groups of outputs"),
      (3, .outputChannel, .type(.q2_K), "multiples of 256"),
      (6, .outputChannel, .type(.q4_1), "6 bits"),
    ] as [(Int, Granularity, GGUFExporter.Storage, String)]
  )
  func whatATypeCannotHoldIsRefusedByName(
    bits: Int,
    granularity: Granularity,
    storage: GGUFExporter.Storage,
    reason: String
  ) throws {
    try withTemporaryFolder { folder in
      let source = try ExportSample().write(to: folder + "/source")
      let model = try PackedModel(source, .sample(bits, granularity), to: folder + "/own")
      let error = #expect(throws: QuantizationError.self) {
        try model.exportGGUF(storage, to: folder + "/x.gguf")
      }
      let text = "\(try #require(error))"
      #expect(text.contains(reason) && text.contains("model.layers.0."), "\(text)")
      #expect(!FileManager.default.fileExists(atPath: folder + "/x.gguf"))
    }
  }

  @Test func floatsAreNotRoundedToLargeBlocks() throws {
    try withTemporaryFolder { folder in
      let source = try ExportSample().write(to: folder + "/source")
      let error = #expect(throws: QuantizationError.self) {
        try write(source, .type(.q4_K), to: folder + "/x.gguf")
      }
      let text = "\(try #require(error))"
      #expect(text.contains("quantize the model with 'run' first"), "\(text)")
    }
  }

  @Test func anEmbeddingWithoutAPlaceBecomesNumbers() throws {
    try withTemporaryFolder { folder in
      let source = try ExportSample().write(to: folder + "/source")
      let scheme = try WeightScheme.sample(8, .inputGroups(20))
      let model = try PackedModel(source, .sample(4), embedding: scheme, to: folder + "/own")
      let report = try model.exportGGUF(to: folder + "/x.gguf")
      #expect(report.entries.filter { $0.loss != nil }.map(\.name) == ["token_embd.weight"])
      let file = try GGUFFile(path: folder + "/x.gguf")
      #expect(file["token_embd.weight"]?.type == .float16)
    }
  }

  /// A layer of another tool's folder can go on into GGUF.
  @Test func otherFoldersCanBeExportedToo() throws {
    try withTemporaryFolder { folder in
      let source = try ExportSample().write(to: folder + "/source")
      let model = try PackedModel(source, .sample(4), to: folder + "/own")
      try model.export(.gptq, to: folder + "/other")
      try model.exportGGUF(to: folder + "/x.gguf")
      try PackedModel(folder + "/other").exportGGUF(to: folder + "/y.gguf")
      let files = try ["/x.gguf", "/y.gguf"].map { try GGUFFile(path: folder + $0) }
      for entry in files[0].entries {
        let bytes = try files.map { try $0.withUnsafeBytes(of: entry.name) { Array($0) } }
        #expect(bytes[0] == bytes[1], "\(entry.name)")
      }
    }
  }
}
