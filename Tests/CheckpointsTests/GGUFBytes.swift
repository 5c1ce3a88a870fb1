import Checkpoints
import Foundation

/// The bytes of a small GGUF file, for tests.
struct GGUFBytes {
  var version: UInt32 = 3
  var alignment = 32
  private var keys: [[UInt8]] = []
  private var records: [[UInt8]] = []
  private var data: [UInt8] = []

  static func bytes(_ value: some FixedWidthInteger) -> [UInt8] {
    Swift.withUnsafeBytes(of: value.littleEndian) { Array($0) }
  }

  static func string(_ text: [UInt8]) -> [UInt8] { bytes(UInt64(text.count)) + text }

  mutating func add(_ key: String, _ type: GGUFValueType, _ value: [UInt8]) {
    keys.append(Self.string(Array(key.utf8)) + Self.bytes(type.rawValue) + value)
  }

  mutating func add(_ key: String, string: String) {
    add(key, .string, Self.string(Array(string.utf8)))
  }

  mutating func add(_ key: String, array type: GGUFValueType, _ elements: [[UInt8]]) {
    let head = Self.bytes(type.rawValue) + Self.bytes(UInt64(elements.count))
    add(key, .array, head + elements.joined())
  }

  /// `dimensions` are in the order of the file, fastest first.
  mutating func addTensor(
    _ name: String,
    _ type: GGUFTensorType,
    dimensions: [Int],
    _ bytes: [UInt8]
  ) {
    data += [UInt8](repeating: 0, count: -data.count & (alignment - 1))
    var record = Self.string(Array(name.utf8)) + Self.bytes(UInt32(dimensions.count))
    for dimension in dimensions { record += Self.bytes(UInt64(dimension)) }
    record += Self.bytes(type.rawValue) + Self.bytes(UInt64(data.count))
    records.append(record)
    data += bytes
  }

  var bytes: [UInt8] {
    var result = Array("GGUF".utf8) + Self.bytes(version)
    result += Self.bytes(UInt64(records.count)) + Self.bytes(UInt64(keys.count))
    result += Array(keys.joined()) + Array(records.joined())
    result += [UInt8](repeating: 0, count: -result.count & (alignment - 1))
    return result + data
  }

  func open(_ path: String) throws -> GGUFFile {
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    return try GGUFFile(path: path)
  }
}
