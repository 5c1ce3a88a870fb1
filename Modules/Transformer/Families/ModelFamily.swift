import Checkpoints

/// The families of models, by the `model_type` of their config.json.
public enum ModelFamily: String, CaseIterable, Codable, Hashable, Sendable {
  /// LLaMA 1 to 3, SmolLM2, TinyLlama.
  case llama
  /// Mistral.
  case mistral
  /// Qwen 2 and 2.5.
  case qwen2
  /// Qwen 3.
  case qwen3
  /// Gemma 2.
  case gemma2
  /// Gemma 3, the text models.
  case gemma3 = "gemma3_text"
  /// OLMo 2.
  case olmo2
  /// GPT-2.
  case gpt2
  /// OPT.
  case opt
  /// BERT and MiniLM.
  case bert
  /// Any other shape, trained here: config.json holds the `TransformerConfiguration`.
  case apus

  var format: any FamilyFormat.Type {
    switch self {
    case .llama: LlamaFamily.self
    case .mistral: MistralFamily.self
    case .qwen2: Qwen2Family.self
    case .qwen3: Qwen3Family.self
    case .gemma2: Gemma2Family.self
    case .gemma3: Gemma3Family.self
    case .olmo2: OLMo2Family.self
    case .gpt2: GPT2Family.self
    case .opt: OPTFamily.self
    case .bert: BERTFamily.self
    case .apus: ApusFamily.self
    }
  }

  var names: TensorNames { format.names }

  /// Whether other tools know the family by its linear layers one by one: not where released files
  /// put several matrices into one (GPT-2), nor for shapes of this package alone.
  public var hasSeparateLayers: Bool { self != .apus && names.conv1D.isEmpty }

  /// The family of a `model_type`; Gemma 3 with images holds a text model.
  init?(modelType: String) {
    self.init(rawValue: modelType == "gemma3" ? "gemma3_text" : modelType)
  }
}

/// How a family lies on disk.
protocol FamilyFormat {
  static var family: ModelFamily { get }
  /// The class of the transformers library.
  static var architecture: String { get }
  static var names: TensorNames { get }
  /// The family in GGUF; nil where llama.cpp has none.
  static var gguf: GGUFFormat? { get }
  /// The configuration in a config.json of either key generation.
  static func configuration(
    _ reader: ConfigurationReader
  ) throws(ModelError) -> TransformerConfiguration
  /// What the family sets beside the common keys of a GGUF file.
  static func adapt(
    _ configuration: inout TransformerConfiguration,
    _ reader: ConfigurationReader
  ) throws(ModelError)
  /// What config.json says, without `architectures`, `model_type` and `torch_dtype`.
  static func document(_ configuration: TransformerConfiguration) -> JSONObject
}

/// A family in GGUF: other names, other keys, and sometimes other rows.
struct GGUFFormat {
  /// The value of `general.architecture`, which is the prefix of the keys.
  var architecture: String
  var names: TensorNames
  /// Whether the rows of W_q and W_k stand so that rotary pairs are adjacent.
  var hasAdjacentPairs = false
  /// Whether the scales of norms are stored as 1 + weight.
  var storesOnePlus = false
  /// Matrices that hold several others, one below the other.
  var fused: [(stored: String, parts: [String])] = []

  /// The parts of a model that a file holds in one matrix, if `part` is one of them.
  func fusion(of part: String) -> (stored: String, parts: [String])? {
    fused.first { $0.parts.contains(part) }
  }
}

extension FamilyFormat {
  static var gguf: GGUFFormat? { nil }

  static func adapt(
    _ configuration: inout TransformerConfiguration,
    _ reader: ConfigurationReader
  ) throws(ModelError) {}
}

extension TransformerConfiguration {
  /// The config.json of this configuration: what the transformers library reads.
  func document(elementType: String) -> JSONObject {
    var document = family.format.document(self)
    document["architectures"] = .array([.string(family.format.architecture)])
    document["model_type"] = .string(family.rawValue)
    document["torch_dtype"] = .string(elementType)
    return document
  }
}
