public import Checkpoints

/// What the `quantization_config` of another tool says about its packed layers.
public struct PackedFolderConfiguration: Codable, Hashable, Sendable {
  /// The formats, by `quant_method`.
  public enum Format: String, Codable, Hashable, Sendable, CaseIterable {
    /// AutoGPTQ and GPT-QModel.
    case gptq
    /// AutoAWQ, version "gemm".
    case awq
    /// compressed-tensors, `pack-quantized`.
    case compressedTensors = "compressed-tensors"
  }

  /// The format.
  public var format: Format
  /// Bits of a code.
  public var bits: Int
  /// Inputs in a group; nil for whole rows.
  public var groupSize: Int?
  /// Whether the zero points all lie in the middle.
  public var isSymmetric: Bool
  /// How GPTQ stores zero points.
  public var gptqVersion: GPTQFormat.Version
  /// Whether GPTQ's groups may hold inputs that are no neighbours.
  public var hasInputOrder: Bool
  /// The layers that stay in floating point, as other tools must know them.
  public var keptLayers: [String]

  /// A configuration.
  public init(
    _ format: Format,
    bits: Int,
    groupSize: Int? = nil,
    isSymmetric: Bool = false,
    gptqVersion: GPTQFormat.Version = .one,
    hasInputOrder: Bool = false,
    keptLayers: [String] = []
  ) {
    self.format = format
    self.bits = bits
    self.groupSize = groupSize
    self.isSymmetric = isSymmetric
    self.gptqVersion = gptqVersion
    self.hasInputOrder = hasInputOrder
    self.keptLayers = keptLayers
  }
}

// MARK: - Writing

extension PackedFolderConfiguration {
  /// The object under `quantization_config`.
  public var document: JSONObject {
    switch format {
    case .gptq:
      [
        "quant_method": "gptq",
        "checkpoint_format": gptqVersion == .one ? "gptq" : "gptq_v2",
        "bits": .integer(Int64(bits)),
        "group_size": .integer(Int64(groupSize ?? -1)),
        "desc_act": .bool(hasInputOrder),
        "sym": .bool(isSymmetric),
        "lm_head": false,
        "true_sequential": true,
        "damp_percent": 0.01,
      ]
    case .awq:
      [
        "quant_method": "awq", "version": "gemm",
        "bits": .integer(Int64(bits)),
        "group_size": .integer(Int64(groupSize ?? -1)),
        "zero_point": true,
        "modules_to_not_convert": keptLayers.isEmpty
          ? nil : .array(keptLayers.map { .string($0) }),
      ]
    case .compressedTensors: compressedTensorsDocument
    }
  }

  private var compressedTensorsDocument: JSONObject {
    let weights: JSONObject = [
      "num_bits": .integer(Int64(bits)), "type": "int", "symmetric": .bool(isSymmetric),
      "strategy": groupSize == nil ? "channel" : "group",
      "group_size": groupSize.map { .integer(Int64($0)) } ?? nil,
      "dynamic": false,
    ]
    let ignored = keptLayers + (keptLayers.contains("lm_head") ? [] : ["lm_head"])
    return [
      "quant_method": "compressed-tensors", "format": "pack-quantized",
      "quantization_status": "compressed",
      "ignore": .array(ignored.map { .string($0) }),
      "config_groups": [
        "group_0": [
          "targets": ["Linear"], "weights": .object(weights), "input_activations": nil,
          "output_activations": nil,
        ]
      ],
      "kv_cache_scheme": nil,
    ]
  }
}

// MARK: - Reading

extension PackedFolderConfiguration {
  init(_ format: Format, document: JSONObject, path: String) throws(QuantizationError) {
    let reader = Reader(document: document, path: path)
    switch format {
    case .gptq:
      self.init(
        format,
        bits: try reader.bits("bits", of: [2, 3, 4, 8]),
        groupSize: try reader.groupSize(),
        isSymmetric: document["sym"]?.boolValue ?? true,
        gptqVersion: try reader.gptqVersion(),
        hasInputOrder: document["desc_act"]?.boolValue ?? false
      )
    case .awq:
      let version = document["version"]?.stringValue ?? "gemm"
      guard version.lowercased() == "gemm" else {
        throw reader.invalid("the version of awq is '\(version)', this package reads 'gemm'")
      }
      self.init(
        format,
        bits: try reader.bits("bits", of: [4]),
        groupSize: try reader.groupSize(),
        isSymmetric: false
      )
    case .compressedTensors:
      self = try reader.compressedTensors()
    }
  }

  private struct Reader {
    let document: JSONObject
    let path: String

    func invalid(_ reason: String) -> QuantizationError {
      .invalidConfiguration(path: path, reason: "'quantization_config': \(reason)")
    }

    func bits(
      _ key: String,
      of known: [Int],
      in object: JSONObject? = nil
    ) throws(QuantizationError) -> Int {
      guard let bits = (object ?? document)[key]?.intValue, known.contains(bits) else {
        let names = known.map { "\($0)" }.joined(separator: ", ")
        throw invalid("'\(key)' is missing or not one of \(names)")
      }
      return bits
    }

    func groupSize(in object: JSONObject? = nil) throws(QuantizationError) -> Int? {
      guard let value = (object ?? document)["group_size"], !value.isNull else { return nil }
      guard let size = value.intValue, size == -1 || (1...1_048_576).contains(size) else {
        throw invalid("'group_size' is \(value.serialized()), not -1 or a number above 0")
      }
      return size == -1 ? nil : size
    }

    func gptqVersion() throws(QuantizationError) -> GPTQFormat.Version {
      switch document["checkpoint_format"]?.stringValue ?? "gptq" {
      case "gptq": return .one
      case "gptq_v2": return .two
      case let other:
        throw invalid("'checkpoint_format' is '\(other)', this package reads gptq and gptq_v2")
      }
    }

    func compressedTensors() throws(QuantizationError) -> PackedFolderConfiguration {
      let format = document["format"]?.stringValue
      guard format == "pack-quantized" else {
        throw invalid(
          "'format' is '\(format ?? "missing")', this package reads 'pack-quantized'"
        )
      }
      guard let groups = document["config_groups"]?.objectValue, groups.count == 1,
        let group = groups.values.first?.objectValue
      else { throw invalid("'config_groups' must hold exactly one group") }
      for key in ["input_activations", "output_activations"] {
        guard group[key]?.isNull ?? true else {
          throw invalid("'\(key)' are quantized, which this package does not read")
        }
      }
      guard let weights = group["weights"]?.objectValue, weights["type"]?.stringValue == "int"
      else {
        throw invalid("'weights' is missing or its 'type' is not 'int'")
      }
      let strategy = weights["strategy"]?.stringValue ?? "missing"
      let isGrouped = strategy == "group"
      guard isGrouped || strategy == "channel" else {
        throw invalid("'strategy' is '\(strategy)', this package reads channel and group")
      }
      let size = try groupSize(in: weights)
      guard (size != nil) == isGrouped else {
        throw invalid("'group_size' does not belong to the strategy '\(strategy)'")
      }
      guard weights["actorder"]?.isNull ?? true else {
        throw invalid("'actorder' is set, which this package does not read")
      }
      return PackedFolderConfiguration(
        .compressedTensors,
        bits: try bits("num_bits", of: Array(1...8), in: weights),
        groupSize: size,
        isSymmetric: weights["symmetric"]?.boolValue ?? true,
        keptLayers: document["ignore"]?.arrayValue?.compactMap(\.stringValue) ?? []
      )
    }
  }
}
