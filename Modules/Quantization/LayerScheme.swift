import Checkpoints

/// What the weights of a layer become: codes of a uniform grid, or sums of scaled signs.
public enum LayerScheme: Hashable, Sendable {
  /// Codes of a grid.
  case uniform(WeightScheme)
  /// Binary codes, and how their scales are stored.
  case binary(BinaryCoding, scaleType: ScaleType)

  /// The scheme of a uniform layer; nil for binary codes.
  public var weightScheme: WeightScheme? {
    switch self {
    case .uniform(let scheme): scheme
    case .binary: nil
    }
  }

  /// The bits of a code: those of the grid, or one for each plane.
  public var bits: Int {
    switch self {
    case .uniform(let scheme): scheme.grid.bits
    case .binary(let coding, _): coding.planes
    }
  }
}

// MARK: - Codable

/// A uniform scheme is written as its `WeightScheme`, binary codes as their `BinaryCoding` with a
/// scale type beside it.
extension LayerScheme: Codable {
  private enum CodingKeys: String, CodingKey {
    case planes, scaleType
  }

  /// Reads a scheme; planes tell binary codes from a grid.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    guard values.contains(.planes) else {
      self = .uniform(try WeightScheme(from: decoder))
      return
    }
    self = .binary(
      try BinaryCoding(from: decoder),
      scaleType: try values.decode(ScaleType.self, forKey: .scaleType)
    )
  }

  /// Writes the scheme.
  public func encode(to encoder: any Encoder) throws {
    switch self {
    case .uniform(let scheme): try scheme.encode(to: encoder)
    case .binary(let coding, let scaleType):
      try coding.encode(to: encoder)
      var values = encoder.container(keyedBy: CodingKeys.self)
      try values.encode(scaleType, forKey: .scaleType)
    }
  }
}

// MARK: - config.json

extension LayerScheme {
  /// The object under `linear`.
  var document: JSONObject {
    switch self {
    case .uniform(let scheme): return scheme.document
    case .binary(let coding, let scaleType):
      var document: JSONObject = [
        "planes": .integer(Int64(coding.planes)),
        "rounds": .integer(Int64(coding.rounds)),
        "scale_type": .string(scaleType.rawValue),
      ]
      if let size = coding.groupSize { document["group_size"] = .integer(Int64(size)) }
      return document
    }
  }

  /// Reads the object that the method's layers have.
  init(
    document: JSONObject,
    method: QuantizationConfiguration.Method
  ) throws(QuantizationError) {
    guard method == .binaryCoding else {
      self = .uniform(try WeightScheme(document: document))
      return
    }
    guard let planes = document["planes"]?.intValue, let rounds = document["rounds"]?.intValue
    else { throw .invalidScheme("'planes' or 'rounds' is missing or no integer") }
    guard let scaleType = document["scale_type"]?.stringValue.flatMap(ScaleType.init(rawValue:))
    else { throw .invalidScheme("'scale_type' is missing or unknown") }
    let groupSize = document["group_size"]?.intValue
    guard groupSize != nil || document["group_size"] == nil else {
      throw .invalidScheme("'group_size' is no integer; leave it out for whole rows")
    }
    self = .binary(
      try BinaryCoding(planes: planes, groupSize: groupSize, rounds: rounds),
      scaleType: scaleType
    )
  }
}
