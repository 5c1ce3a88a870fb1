import Autograd
import Checkpoints
import Foundation
import Tensor
import Transformer

/// Whole models of low bits, a prompt at once and tokens one by one, against llama.cpp.
struct LowBitModels {
  let run: BenchRun

  /// The tokens of llama-bench.
  private static let (promptTokens, writtenTokens) = (512, 128)

  func measure() throws {
    if run.startGroup("models, the same file") { try measureFile() }
    if run.startGroup("models, 4096 wide") { try measureWide() }
  }

  /// The named model as it is stored, and what llama.cpp makes of it in four bits.
  private func measureFile() throws {
    guard let path = run.modelPath, path.hasSuffix(".gguf") else {
      return run.report.say("a GGUF file is needed; name one with --model")
    }
    let source = URL(fileURLWithPath: path)
    for type in ["Q4_0", "Q4_K"] {
      guard let file = try requantized(source, type) else { continue }
      try measure(file, name: type)
    }
    try measure(source, name: source.deletingPathExtension().lastPathComponent)
  }

  /// The file that the peer makes; nil without one.
  private func requantized(_ source: URL, _ type: String) throws -> URL? {
    guard let peer = run.peer else { return nil }
    let folder = try ModelFolder.cache()
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let name = source.deletingPathExtension().lastPathComponent
    let target = folder.appending(path: "\(name)-as-\(type).gguf")
    let answer = try peer.ask([
      "do": "tell", "name": "requantized", "file": .string(source.path), "type": .string(type),
      "target": .string(target.path),
    ])
    return answer["file"]?.stringValue.map { URL(fileURLWithPath: $0) }
  }

  private func measure(_ file: URL, name: String) throws {
    let pretrained = try PretrainedModel(at: file)
    let model = try DecoderModel(
      pretrained.configuration,
      weights: BlockWeights(pretrained.catalog)
    )
    let bytes = Self.bytesOfToken(pretrained)
    try prompt(model, name: name, file: file.path)
    try written(model, name: name, file: file.path, bytes: bytes, count: Self.writtenTokens)
  }

  /// The formats of this package beside those of llama.cpp with as many bits.
  private func measureWide() throws {
    let q4 = try SyntheticModel.file(.q4_0)
    let pretrained = try PretrainedModel(at: q4)
    let bytes = Self.bytesOfToken(pretrained)
    let stored = try DecoderModel(
      pretrained.configuration,
      weights: BlockWeights(pretrained.catalog)
    )
    try prompt(stored, name: "Q4_0", file: q4.path)
    try written(stored, name: "Q4_0", file: q4.path, bytes: bytes, count: Self.writtenTokens)
    let peers: [String: GGUFTensorType] = [
      "Q4_0": .q4_0, "Q4_K": .q4_K, "Q3_K": .q3_K, "Q2_K": .q2_K,
    ]
    for format in [LowBitFormat.w4, .w4Rows, .w3, .w2, .threePlanes] {
      guard let type = peers[format.peer] else { continue }
      let model = try SyntheticModel.model(format)
      let matrices = model.namedLinearLayers().filter { $0.name != "embedding" }
        .compactMap { ($0.layer as? InterleavedLinear)?.weight }
      try written(
        model,
        name: "\(format.name) · \(format.peer)",
        file: SyntheticModel.file(type).path,
        bytes: matrices.reduce(0) { $0 + $1.byteCount },
        count: Self.writtenTokens
      )
    }
  }

  // MARK: - Cases

  private func prompt(_ model: DecoderModel, name: String, file: String) throws {
    let tokens = ids(Self.promptTokens, model)
    try run.measure(
      BenchCase(
        name: "\(name), pp\(tokens.count)",
        metric: .tokens(Double(tokens.count)),
        peer: order("prompt", file, tokens)
      ) { keep(model.nextTokenLogits(tokens, cache: model.makeCache())) }
    )
  }

  private func written(
    _ model: DecoderModel,
    name: String,
    file: String,
    bytes: Int,
    count: Int
  ) throws {
    let tokens = ids(count, model)
    try run.measure(
      BenchCase(
        name: "\(name), tg\(count)",
        metric: .tokens(Double(count)),
        bound: .memory(Double(bytes * count)),
        peer: order("tokens", file, tokens)
      ) {
        let cache = model.makeCache()
        for token in tokens { keep(model.nextTokenLogits([token], cache: cache)) }
      }
    )
  }

  private func ids(_ count: Int, _ model: DecoderModel) -> [Int32] {
    let vocabulary = model.configuration.vocabularyCount
    return (0..<count).map { Int32(($0 * 7919 + 13) % vocabulary) }
  }

  private func order(_ name: String, _ file: String, _ tokens: [Int32]) -> JSONObject {
    [
      "kind": "gguf_model", "name": .string(name), "file": .string(file),
      "tokens": .array(tokens.map { .integer(Int64($0)) }),
    ]
  }

  /// The bytes of all matrices that a token is multiplied with: all tensors but an embedding whose
  /// rows are only looked up.
  private static func bytesOfToken(_ model: PretrainedModel) -> Int {
    let embedding = model.configuration.tensors.first { $0.path == "embedding.weight" }?.name
    return model.configuration.tensors.reduce(0) { bytes, tensor in
      let isLookedUp = tensor.name == embedding && !model.configuration.tiesEmbedding
      return bytes + (isLookedUp ? 0 : model.catalog.describe(tensor.name)?.byteCount ?? 0)
    }
  }
}
