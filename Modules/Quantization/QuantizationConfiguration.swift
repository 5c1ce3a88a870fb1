public import Checkpoints

/// How a model's weights are quantized: what `config.json` says under `quantization_config`.
public struct QuantizationConfiguration: Codable, Hashable, Sendable {
  /// The rounding methods of this version.
  public enum Method: String, Codable, Hashable, Sendable, CaseIterable {
    /// Round to nearest.
    case roundToNearest = "rtn"
    /// Column by column with error feedback.
    case gptq
    /// Round to nearest in groups of inputs or of outputs, chosen for each layer.
    case adaDimNearest = "adadim-rtn"
    /// GPTQ in groups of inputs or of outputs, chosen for each layer.
    case adaDimGPTQ = "adadim-gptq"
    /// Rounding up or down, learned for each weight.
    case adaRound = "adaround"
    /// Rounding learned with a scale per weight.
    case flexRound = "flexround"
    /// Rounding learned with low-rank scales.
    case lrq
    /// Sums of scaled signs: the method of `BinaryCoding`, and of no uniform scheme.
    case binaryCoding = "bcq"

    /// Refuses a scheme in whose granularity the method does not work, before anything is computed.
    ///
    /// AdaDim needs groups, of inputs or of outputs: their size is what it takes from the scheme. All
    /// other methods work in every granularity.
    ///
    /// - Throws: `QuantizationError.invalidScheme`.
    public func check(_ scheme: WeightScheme) throws(QuantizationError) {
      switch self {
      case .adaDimNearest, .adaDimGPTQ: _ = try AdaDim(scheme, base: .nearest)
      case .roundToNearest, .gptq, .adaRound, .flexRound, .lrq, .binaryCoding: break
      }
    }
  }

  /// How codes are chosen.
  public var method: Method
  /// The scheme of the linear layers inside the blocks.
  public var scheme: LayerScheme
  /// The scheme of the embedding (and of a head that shares it or stands beside it); nil keeps
  /// both in floating point.
  public var embeddingScheme: WeightScheme?
  /// The schemes of layers inside the blocks that differ from `scheme`, by their names.
  public var layerSchemes: [String: WeightScheme]
  /// What the inputs of the layers inside the blocks are rounded to; nil for nothing.
  public var activations: ActivationScheme?
  /// Bits of the keys and values in the cache; nil for floating point.
  public var keyValueBits: Int?

  /// A configuration of uniform codes; the embedding stays in floating point unless it gets a scheme.
  public init(
    method: Method = .roundToNearest,
    scheme: WeightScheme,
    embeddingScheme: WeightScheme? = nil,
    layerSchemes: [String: WeightScheme] = [:],
    activations: ActivationScheme? = nil,
    keyValueBits: Int? = nil
  ) {
    self.method = method
    self.scheme = .uniform(scheme)
    self.embeddingScheme = embeddingScheme
    self.layerSchemes = layerSchemes
    self.activations = activations
    self.keyValueBits = keyValueBits
  }

  /// A configuration of binary codes.
  ///
  /// - Parameters:
  ///   - coding: how the linear layers inside the blocks are coded.
  ///   - scaleType: how their scales are stored.
  ///   - embeddingScheme: the uniform scheme of the embedding; nil keeps it in floating point.
  ///   - keyValueBits: bits of the keys and values in the cache; nil for floating point.
  public init(
    binaryCoding coding: BinaryCoding,
    scaleType: ScaleType = .float16,
    embeddingScheme: WeightScheme? = nil,
    keyValueBits: Int? = nil
  ) {
    method = .binaryCoding
    scheme = .binary(coding, scaleType: scaleType)
    self.embeddingScheme = embeddingScheme
    layerSchemes = [:]
    self.keyValueBits = keyValueBits
  }
}

// MARK: - config.json

extension QuantizationConfiguration {
  /// The key in `config.json`.
  public static let key = "quantization_config"
  static let formatName = "apus"
  static let formatVersion: Int64 = 1

  /// The JSON object under `quantization_config`.
  public var document: JSONObject {
    var document: JSONObject = [
      "quant_method": .string(Self.formatName),
      "format_version": .integer(Self.formatVersion),
      "method": .string(method.rawValue),
      "linear": .object(scheme.document),
    ]
    if let embeddingScheme { document["embedding"] = .object(embeddingScheme.document) }
    if !layerSchemes.isEmpty {
      let layers = layerSchemes.sorted { $0.key < $1.key }
      document["layers"] = .object(JSONObject(layers.map { ($0.key, .object($0.value.document)) }))
    }
    if let activations {
      document["activations"] = [
        "bits": .integer(Int64(activations.bits)), "sharing": .string(activations.sharing.rawValue),
      ]
    }
    if let keyValueBits { document["key_value_bits"] = .integer(Int64(keyValueBits)) }
    return document
  }

  /// Reads the object under `quantization_config` of the `config.json` at `path`.
  ///
  /// - Throws: `QuantizationError.invalidConfiguration` if it is another tool's or out of range.
  public init(document: JSONObject, path: String) throws(QuantizationError) {
    func invalid(_ reason: String) -> QuantizationError {
      .invalidConfiguration(path: path, reason: "'\(Self.key)': \(reason)")
    }
    let format = document["quant_method"]?.stringValue
    guard format == Self.formatName else {
      throw invalid(
        "the format is '\(format ?? "unknown")', this version reads '\(Self.formatName)'"
      )
    }
    guard document["format_version"]?.integerValue == Self.formatVersion else {
      throw invalid("'format_version' is not \(Self.formatVersion), the version that is known here")
    }
    guard let name = document["method"]?.stringValue, let method = Method(rawValue: name) else {
      let known = Method.allCases.map(\.rawValue).joined(separator: ", ")
      throw invalid("'method' is not one of \(known)")
    }
    guard let linear = document["linear"]?.objectValue else {
      throw invalid("'linear' is missing")
    }
    self.method = method
    do throws(QuantizationError) {
      scheme = try LayerScheme(document: linear, method: method)
      embeddingScheme = try document["embedding"]?.objectValue.map(WeightScheme.init(document:))
      layerSchemes = [:]
      for (name, value) in document["layers"]?.objectValue ?? [:] {
        layerSchemes[name] = try value.objectValue.map(WeightScheme.init(document:))
      }
      activations = try document["activations"]?.objectValue.map(ActivationScheme.init(document:))
      if method == .binaryCoding, activations != nil {
        throw QuantizationError.invalidScheme("'activations' has no meaning with the method bcq")
      }
      keyValueBits = document["key_value_bits"]?.intValue
      if let bits = keyValueBits, bits != 8 {
        throw QuantizationError.invalidScheme("'key_value_bits' is \(bits), only 8 is supported")
      }
    } catch {
      throw invalid(error.description)
    }
  }
}

extension ActivationScheme {
  init(document: JSONObject) throws(QuantizationError) {
    guard let bits = document["bits"]?.intValue,
      let sharing = document["sharing"]?.stringValue.flatMap(Sharing.init(rawValue:))
    else { throw .invalidScheme("'activations' lacks 'bits' or a known 'sharing'") }
    try self.init(bits: bits, sharing: sharing)
  }
}

extension WeightScheme {
  var document: JSONObject {
    var document: JSONObject = [
      "bits": .integer(Int64(grid.bits)),
      "symmetric": .bool(grid.isSymmetric),
      "range": .string(range.rawValue),
      "scale_type": .string(scaleType.rawValue),
    ]
    switch granularity {
    case .tensor: document["granularity"] = "tensor"
    case .outputChannel: document["granularity"] = "channel"
    case .inputGroups(let size):
      document["granularity"] = "group"
      document["group_size"] = .integer(Int64(size))
    case .outputGroups(let size):
      document["granularity"] = "output-group"
      document["group_size"] = .integer(Int64(size))
    }
    return document
  }

  init(document: JSONObject) throws(QuantizationError) {
    guard let bits = document["bits"]?.intValue, let symmetric = document["symmetric"]?.boolValue
    else { throw .invalidScheme("'bits' or 'symmetric' is missing") }
    guard let range = document["range"]?.stringValue.flatMap(RangeEstimation.init(rawValue:)),
      let scaleType = document["scale_type"]?.stringValue.flatMap(ScaleType.init(rawValue:))
    else { throw .invalidScheme("'range' or 'scale_type' is missing or unknown") }
    let granularity: Granularity
    switch document["granularity"]?.stringValue {
    case "tensor": granularity = .tensor
    case "channel": granularity = .outputChannel
    case "group", "output-group":
      guard let size = document["group_size"]?.intValue else {
        throw .invalidScheme("'group_size' is missing")
      }
      granularity =
        document["granularity"]?.stringValue == "group" ? .inputGroups(size) : .outputGroups(size)
    case let other:
      throw .invalidScheme(
        "'granularity' is '\(other ?? "missing")', not one of tensor, channel, group, output-group"
      )
    }
    self = try WeightScheme(
      grid: QuantizationGrid(bits: bits, isSymmetric: symmetric),
      granularity: granularity,
      range: range,
      scaleType: scaleType
    )
  }
}
