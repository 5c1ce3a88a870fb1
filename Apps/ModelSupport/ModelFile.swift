package import Checkpoints
import Foundation
package import Quantization
import Support
import Tensor
package import Transformer

/// A model that was named on the command line: opened, its weights not yet read.
package struct ModelFile {
  /// The path as it was typed.
  package let path: String
  package let pretrained: PretrainedModel
  /// How its weights are quantized; nil for a model in floating point.
  package let quantization: ModelQuantization?

  /// Opens a model folder, a folder that `run` or another tool has quantized, or a GGUF file.
  package init(path: String) throws {
    self.path = path
    pretrained = try PretrainedModel(at: URL(filePath: path))
    quantization = try pretrained.quantization.map { document in
      try ModelQuantization(document: document, path: path)
    }
  }

  /// The packed layers, with everything else behind them; nil for a model in floating point.
  package var packedWeights: (any QuantizedWeightSource)? {
    quantization?.weights(
      pretrained.catalog,
      embeddings: pretrained.configuration.embeddingLayers,
      dense: DenseWeights(pretrained.catalog)
    )
  }

  /// Refuses a model that cannot be quantized.
  package func checkFullPrecision() throws {
    if let quantization {
      throw CommandFailure(
        "\(path) is quantized already (\(quantization.text)); start from the full-precision model"
      )
    }
    try pretrained.checkTensors()
  }

  /// The model block by block.
  package func makeStack() throws -> DecoderStack {
    guard pretrained.configuration.isCausal else {
      throw CommandFailure("\(path) is an encoder; only decoders are quantized block by block")
    }
    return try DecoderStack(pretrained.configuration, weights: DenseWeights(pretrained.catalog))
  }

  /// Refuses a model with numbers that no method can work with, and names every tensor that has some.
  ///
  /// Reads all weights once: seconds, before hours of work.
  package func checkFinite() throws {
    var bad: [String] = []
    for name in pretrained.configuration.tensorNames where pretrained.catalog.describe(name) != nil
    {
      let values = try pretrained.catalog.floats(name)
      if !values.withUnsafeElements({ $0.allSatisfy(\.isFinite) }) { bad.append(name) }
    }
    guard let first = bad.first else { return }
    let more = bad.dropFirst()
    let others = more.prefix(3).map { ", \($0)" }.joined()
    throw CommandFailure(
      "\(path) holds numbers that are not finite in \(first)\(others)"
        + (more.count > 3 ? " and \(more.count - 3) more tensors" : "") + "; nothing was begun"
    )
  }

  /// Writes the quantized model to `folder`; `progress` stops it by returning false.
  package func quantize(
    _ configuration: QuantizationConfiguration,
    blocks: QuantizedBlocks? = nil,
    to folder: OutputFolder,
    progress: (CheckpointQuantizer.Progress) -> Bool
  ) throws -> QuantizationReport {
    try checkFullPrecision()
    return try CheckpointQuantizer(configuration).run(
      pretrained.catalog,
      plan: plan,
      blocks: blocks,
      to: URL(filePath: folder.path),
      replacing: folder.isReplaced,
      progress: progress
    )
  }

  /// What the tensors mean to a quantizer.
  package var plan: QuantizationPlan { get throws { try pretrained.quantizationPlan } }
}

extension PretrainedModel {
  /// What the tensors mean to a quantizer.
  package var quantizationPlan: QuantizationPlan {
    get throws {
      try QuantizationPlan(
        tensorNames: configuration.tensorNames,
        linearLayers: configuration.blockLinearLayers,
        embeddingLayers: configuration.embeddingLayers,
        configurationDocument: configurationDocument,
        documents: documents
      )
    }
  }
}

// MARK: - Layers

extension ModelFile {
  /// The names of the layers in checkpoints, by their paths in the model.
  package var layerNames: [String: String] {
    let suffix = ".weight"
    let weights = pretrained.configuration.tensors.filter { $0.path.hasSuffix(suffix) }
    return Dictionary(
      weights.map {
        (String($0.path.dropLast(suffix.count)), String($0.name.dropLast(suffix.count)))
      },
      uniquingKeysWith: { first, _ in first }
    )
  }
}

// MARK: - Identity

extension ModelFile {
  /// SHA-256 of the files that hold the weights, in the order of their names.
  package func digest() throws -> String {
    var files = [path]
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue {
      files = try FileManager.default.contentsOfDirectory(atPath: path).sorted()
        .filter { $0.hasSuffix(".safetensors") }.map { path + "/" + $0 }
    }
    var digest = FrozenDigest()
    for file in files {
      let bytes = try Data(contentsOf: URL(filePath: file), options: .alwaysMapped)
      bytes.withUnsafeBytes { digest.update($0) }
    }
    return digest.text
  }
}

// MARK: - Sizes

extension ModelFile {
  /// The last part of the path.
  package var name: String { URL(filePath: path).lastPathComponent }

  /// The bytes of all tensors.
  package var byteCount: Int {
    let catalog = pretrained.catalog
    return catalog.tensorNames.reduce(0) { $0 + (catalog.describe($1)?.byteCount ?? 0) }
  }

  /// The bytes of all tensors as a model holds them that computes so.
  ///
  /// Blocks of GGUF become floats where they have no kernel, and all of them in an exact computation.
  package func byteCount(as computation: Computation) -> Int {
    let catalog = pretrained.catalog
    let kept = Set(
      GGUFTensorType.allCases
        .filter { !$0.isQuantized || computation != .exact && $0.hasKernel }.map(\.name)
    )
    let blocks = Set(GGUFTensorType.allCases.map(\.name)).subtracting(kept)
    return catalog.tensorNames.reduce(0) { bytes, name in
      guard let tensor = catalog.describe(name) else { return bytes }
      let becomesFloats = tensor.shape.rank > 1 && blocks.contains(tensor.storage)
      return bytes + (becomesFloats ? 4 * tensor.shape.count : tensor.byteCount)
    }
  }

  /// The bits that one parameter takes on average.
  package var bitsPerWeight: Double { 8 * Double(byteCount) / Double(max(parameterCount, 1)) }

  /// The numbers that the model consists of, however they are stored.
  package var parameterCount: Int {
    quantization == nil ? pretrained.parameterCount : pretrained.configuration.parameterCount
  }

  /// The part of the model's numbers that its first n tensors hold, for n = 0, 1, ….
  package var shares: [Double] {
    let sizes = pretrained.configuration.tensorNames.map { name in
      pretrained.catalog.describe(name)?.shape.count ?? 0
    }
    let total = Double(max(sizes.reduce(0, +), 1))
    return sizes.reduce(into: [0]) { $0.append($0[$0.count - 1] + Double($1) / total) }
  }

  /// How the weights are stored: the quantization, or the storage that holds most bytes.
  package var method: String {
    quantization?.text ?? Self.prevailingStorage(pretrained.catalog)
  }

  /// The storage that holds most of the bytes: "BF16".
  package static func prevailingStorage(_ catalog: any TensorCatalog) -> String {
    var bytes: [String: Int] = [:]
    for tensor in catalog.tensorNames.compactMap(catalog.describe) {
      bytes[tensor.storage, default: 0] += tensor.byteCount
    }
    return bytes.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key ?? "no tensors"
  }
}

extension ModelQuantization {
  /// The settings in a few words.
  package var text: String {
    switch self {
    case .own(let configuration): configuration.text
    case .other(let configuration): configuration.text
    }
  }
}

extension PackedFolderConfiguration {
  /// The settings in a few words: "gptq 4 bits, groups of 128, symmetric".
  package var text: String {
    var parts = ["\(format.rawValue) \(bits) bits"]
    parts.append(groupSize.map { "groups of \($0)" } ?? "per channel")
    if isSymmetric { parts.append("symmetric") }
    return parts.joined(separator: ", ")
  }
}

extension QuantizationConfiguration {
  /// The settings in a few words: "rtn 4 bits, groups of 64, embedding 8 bits".
  package var text: String {
    var parts = ["\(method.rawValue) \(scheme.text)"]
    let layouts = Dictionary(grouping: layerSchemes.values) { $0.groupText ?? "" }
    for (layout, layers) in layouts.sorted(by: { $0.key < $1.key }) where !layout.isEmpty {
      parts.append("\(layers.count.counted("layer")) in \(layout)")
    }
    if let embeddingScheme { parts.append("embedding \(embeddingScheme.grid.bits) bits") }
    if let activations {
      parts.append("activations \(activations.bits) bits per \(activations.sharing.rawValue)")
    }
    if let keyValueBits { parts.append("keys and values \(keyValueBits) bits") }
    return parts.joined(separator: ", ")
  }
}

extension LayerScheme {
  /// The settings in a few words: "4 bits, groups of 64", "3 planes, groups of 64, greedy".
  package var text: String {
    switch self {
    case .uniform(let scheme): return scheme.text
    case .binary(let coding, _):
      var parts = [coding.planes.counted("plane")]
      parts.append(coding.groupSize.map { "groups of \($0)" } ?? "per channel")
      if coding.rounds == 0 { parts.append("greedy") }
      return parts.joined(separator: ", ")
    }
  }
}

extension WeightScheme {
  /// The groups alone, where there are some.
  fileprivate var groupText: String? {
    switch granularity {
    case .inputGroups(let size): "groups of \(size) inputs"
    case .outputGroups(let size): "groups of \(size) outputs"
    default: nil
    }
  }
}

extension WeightScheme {
  /// The settings in a few words: "4 bits, groups of 64".
  package var text: String {
    var parts = ["\(grid.bits) bits"]
    switch granularity {
    case .tensor: parts.append("per tensor")
    case .outputChannel: parts.append("per channel")
    case .inputGroups(let size): parts.append("groups of \(size)")
    case .outputGroups(let size): parts.append("groups of \(size) outputs")
    }
    if grid.isSymmetric { parts.append("symmetric") }
    if range != .minMax { parts.append(range.rawValue) }
    return parts.joined(separator: ", ")
  }
}

// MARK: - Text

extension ModelFile {
  /// The ids of a text without any token in front of or behind it.
  package func tokens(of text: String) throws -> [Int32] {
    try pretrained.requireTokenizer().encode(text, addSpecialTokens: false)
  }

  /// The options that the arguments mean for this model.
  package func perplexityOptions(_ arguments: EvaluationArguments) throws -> PerplexityOptions {
    let tokenizer = try pretrained.requireTokenizer()
    let context = pretrained.configuration.contextLength
    if let window = arguments.window, window > context {
      throw CommandFailure(
        "--window \(window) exceeds the context of \(path), \(context.counted("token"))",
        code: .usage
      )
    }
    if arguments.leadingToken == .bos && tokenizer.bosID == nil {
      throw CommandFailure("--bos: \(path) has no token that begins a text; leave it out")
    }
    return arguments.options(contextLength: context, beginToken: tokenizer.beginToken)
  }
}

extension Tokenizer {
  /// The first token, and whether the tokenizer puts it in front of a text by itself.
  fileprivate var beginToken: EvaluationArguments.BeginToken? {
    bosID.map { .init(id: $0, isUsual: encode("").first == $0) }
  }
}
