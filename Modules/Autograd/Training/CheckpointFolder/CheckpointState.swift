import Checkpoints

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// What `state.json` holds.
struct CheckpointState: Codable {
  var step: Int
  var position: BatchPosition
  var metrics: [String: Double]
  /// Reading leaves the values out: each is decoded when its type is known.
  var values: [String: EncodableValue] = [:]
  private(set) var valueNames: [String] = []

  enum CodingKeys: String, CodingKey { case step, position, metrics, values }

  init(_ checkpoint: TrainingCheckpoint) {
    step = checkpoint.step
    position = checkpoint.position
    metrics = checkpoint.metrics
    values = checkpoint.values.mapValues { EncodableValue(value: $0) }
  }

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    step = try container.decode(Int.self, forKey: .step)
    position = try container.decode(BatchPosition.self, forKey: .position)
    metrics = try container.decode([String: Double].self, forKey: .metrics)
    let nested = try container.nestedContainer(keyedBy: AnyKey.self, forKey: .values)
    valueNames = nested.allKeys.map(\.stringValue).sorted()
  }

  static let encoder: JSONEncoder = {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "Infinity",
      negativeInfinity: "-Infinity",
      nan: "NaN"
    )
    return encoder
  }()

  static var decoder: JSONDecoder {
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "Infinity",
      negativeInfinity: "-Infinity",
      nan: "NaN"
    )
    return decoder
  }

  /// The value `name` of a state file.
  static func value<Value: Decodable>(
    _ name: String,
    as type: Value.Type,
    in data: Data
  ) throws -> Value {
    let decoder = decoder
    decoder.userInfo[ValueInState<Value>.nameKey] = name
    return try decoder.decode(ValueInState<Value>.self, from: data).value
  }
}

/// A value whose type is known when it is written.
struct EncodableValue: Encodable {
  let value: any Encodable

  func encode(to encoder: any Encoder) throws {
    // Not value.encode(to:): the encoder has its own way with dates and data.
    var container = encoder.singleValueContainer()
    try container.encode(value)
  }
}

extension EncodableValue: Decodable {
  init(from decoder: any Decoder) throws {
    throw DecodingError.dataCorrupted(
      .init(codingPath: decoder.codingPath, debugDescription: "the type must be known")
    )
  }
}

/// One of the values of a state file.
private struct ValueInState<Value: Decodable>: Decodable {
  static var nameKey: CodingUserInfoKey { CodingUserInfoKey(rawValue: "name").unsafelyUnwrapped }
  let value: Value

  init(from decoder: any Decoder) throws {
    let name = decoder.userInfo[Self.nameKey] as? String ?? ""
    let container = try decoder.container(keyedBy: CheckpointState.CodingKeys.self)
    let values = try container.nestedContainer(keyedBy: AnyKey.self, forKey: .values)
    value = try values.decode(Value.self, forKey: AnyKey(stringValue: name))
  }
}

private struct AnyKey: CodingKey {
  let stringValue: String
  var intValue: Int? { nil }

  init(stringValue: String) { self.stringValue = stringValue }
  init?(intValue: Int) { return nil }
}

/// The place and the reason of a coding error: `values.generator.key0: expected UInt32 …`.
func codingReason(_ error: any Error) -> String {
  func text(_ context: [any CodingKey], _ description: String) -> String {
    let path = context.map(\.stringValue).joined(separator: ".")
    return path.isEmpty ? description : "\(path): \(description)"
  }
  switch error {
  case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context),
    DecodingError.dataCorrupted(let context):
    return text(context.codingPath, context.debugDescription)
  case DecodingError.keyNotFound(let key, let context):
    return text(context.codingPath, "no \(key.stringValue.quotedForMessage)")
  case EncodingError.invalidValue(_, let context):
    return text(context.codingPath, context.debugDescription)
  default: return String(describing: error)
  }
}
