import Checkpoints
import Foundation

/// A safetensors file in a form whose parts can be changed one by one.
///
///     the header as JSON | a byte 0 | the numbers
///
/// The length in front and the offsets are made when it is read, and the numbers are repeated as often
/// as the tensors need. JSON in the strings of the metadata stands there as JSON. So a change leads to
/// what reads the metadata and the tensors, not to another wrong length; those are for the target
/// `safetensors`.
enum OpenSafetensors {
  /// The most bytes of numbers that are made.
  private static let mostBytes = 1 << 20

  /// The input that stands for a file.
  static func input(_ file: [UInt8]) throws -> [UInt8] {
    let length = file.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
    var header = try JSONValue.parse(Array(file.dropFirst(8).prefix(length))).objectValue ?? [:]
    for (name, value) in header {
      guard var fields = value.objectValue else { continue }
      fields["data_offsets"] = nil
      for (key, text) in fields where name == "__metadata__" {
        let inner = try? JSONValue.parse(text.stringValue ?? "")
        if let inner, inner.objectValue != nil || inner.arrayValue != nil { fields[key] = inner }
      }
      header[name] = .object(fields)
    }
    return .joining(JSONValue.object(header).serializedBytes(), file.dropFirst(8 + length))
  }

  /// The file that an input stands for.
  static func file(_ input: some Sequence<UInt8>) -> [UInt8] {
    let (first, second) = Array(input).halves
    var (header, numbers) = (Array(first), Array(second))
    if let object = try? JSONValue.parse(header).objectValue {
      let (made, count) = completed(object)
      header = JSONValue.object(made).serializedBytes()
      if numbers.isEmpty { numbers = [0] }
      while numbers.count < count { numbers += numbers.prefix(count - numbers.count) }
      numbers = Array(numbers.prefix(count))
    }
    header += [UInt8](repeating: 0x20, count: (8 - header.count % 8) % 8)
    let length = (0..<8).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) }
    return length + header + numbers
  }

  /// The header with offsets and texts, and how many bytes its tensors have.
  private static func completed(_ header: JSONObject) -> (JSONObject, Int) {
    var (header, end) = (header, 0)
    for (name, value) in header {
      guard var fields = value.objectValue else { continue }
      if name == "__metadata__" {
        for (key, text) in fields where text.stringValue == nil {
          fields[key] = .string(text.serialized())
        }
      } else if let count = byteCount(fields), count <= mostBytes - end {
        fields["data_offsets"] = [.integer(Int64(end)), .integer(Int64(end + count))]
        end += count
      }
      header[name] = .object(fields)
    }
    return (header, end)
  }

  /// The bytes of a tensor; nil where its type or its shape is none.
  private static func byteCount(_ fields: JSONObject) -> Int? {
    guard let type = fields["dtype"]?.stringValue.flatMap(SafetensorsType.init(rawValue:)),
      let shape = fields["shape"]?.arrayValue
    else { return nil }
    var bits = type.bitCount
    for extent in shape {
      guard let extent = extent.intValue, extent >= 0 else { return nil }
      let (product, overflow) = bits.multipliedReportingOverflow(by: extent)
      guard !overflow else { return nil }
      bits = product
    }
    return bits / 8
  }
}
