/// The order in which keys are written.
public enum JSONKeyOrder: Sendable {
  /// As they were added.
  case insertion
  /// By their UTF-8 bytes.
  case sorted
}

extension JSONValue {
  /// The value as JSON text; reading it back gives an equal value.
  ///
  /// `pretty` adds line feeds and two spaces of indentation. Numbers are written with the fewest
  /// digits that give the same bits back; infinities and NaN, which JSON lacks, become `null`.
  public func serialized(pretty: Bool = false, keys: JSONKeyOrder = .insertion) -> String {
    String(decoding: serializedBytes(pretty: pretty, keys: keys), as: UTF8.self)
  }

  /// The UTF-8 bytes of `serialized(pretty:keys:)`.
  public func serializedBytes(pretty: Bool = false, keys: JSONKeyOrder = .insertion) -> [UInt8] {
    var writer = JSONWriter(pretty: pretty, keys: keys)
    writer.write(self)
    return writer.bytes
  }
}

extension String {
  /// The string as JSON: between quotes, with the escapes that JSON demands.
  var serializedAsJSON: [UInt8] {
    var writer = JSONWriter(pretty: false, keys: .insertion)
    writer.write(self)
    return writer.bytes
  }
}

private struct JSONWriter {
  private(set) var bytes: [UInt8] = []
  private let pretty: Bool
  private let keys: JSONKeyOrder
  private var indentation = 0

  init(pretty: Bool, keys: JSONKeyOrder) {
    self.pretty = pretty
    self.keys = keys
  }

  mutating func write(_ value: JSONValue) {
    switch value {
    case .null: bytes.append(contentsOf: "null".utf8)
    case .bool(let value): bytes.append(contentsOf: (value ? "true" : "false").utf8)
    case .integer(let value): bytes.append(contentsOf: value.description.utf8)
    case .number(let value):
      bytes.append(contentsOf: (value.isFinite ? value.description : "null").utf8)
    case .string(let value): write(value)
    case .array(let values): write(values)
    case .object(let object): write(object)
    }
  }

  private mutating func write(_ values: [JSONValue]) {
    bytes.append(0x5B)
    indentation += 2
    for (index, value) in values.enumerated() {
      if index > 0 { bytes.append(0x2C) }
      breakLine()
      write(value)
    }
    indentation -= 2
    if !values.isEmpty { breakLine() }
    bytes.append(0x5D)
  }

  private mutating func write(_ object: JSONObject) {
    bytes.append(0x7B)
    indentation += 2
    for (index, pair) in ordered(object).enumerated() {
      if index > 0 { bytes.append(0x2C) }
      breakLine()
      write(pair.key)
      bytes.append(0x3A)
      if pretty { bytes.append(0x20) }
      write(pair.value)
    }
    indentation -= 2
    if !object.isEmpty { breakLine() }
    bytes.append(0x7D)
  }

  private func ordered(_ object: JSONObject) -> [(key: String, value: JSONValue)] {
    switch keys {
    case .insertion: Array(object)
    case .sorted: object.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    }
  }

  private mutating func breakLine() {
    guard pretty else { return }
    bytes.append(0x0A)
    bytes.append(contentsOf: repeatElement(0x20, count: indentation))
  }

  mutating func write(_ string: String) {
    bytes.append(0x22)
    for byte in string.utf8 {
      if byte >= 0x20 && byte != 0x22 && byte != 0x5C {
        bytes.append(byte)
      } else {
        escape(byte)
      }
    }
    bytes.append(0x22)
  }

  private mutating func escape(_ byte: UInt8) {
    bytes.append(0x5C)
    switch byte {
    case 0x22, 0x5C: bytes.append(byte)
    case 0x08: bytes.append(0x62)
    case 0x09: bytes.append(0x74)
    case 0x0A: bytes.append(0x6E)
    case 0x0C: bytes.append(0x66)
    case 0x0D: bytes.append(0x72)
    default:
      let digits = Array("0123456789abcdef".utf8)
      bytes.append(contentsOf: "u00".utf8)
      bytes.append(digits[Int(byte >> 4)])
      bytes.append(digits[Int(byte & 15)])
    }
  }
}
