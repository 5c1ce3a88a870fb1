/// JSON as Python's `json.dumps` writes it: `", "` and `": "` between, ASCII only.
///
/// Objects are named by their hash, so their texts must agree to the byte.
enum PythonJSON {
  /// An object of texts, in order.
  static func object(_ pairs: some Sequence<(String, String)>) -> String {
    let items = pairs.map { "\(string($0.0)): \(string($0.1))" }
    return "{" + items.joined(separator: ", ") + "}"
  }

  /// A list of integers.
  static func list(_ values: [Int]) -> String {
    "[" + values.map(String.init).joined(separator: ", ") + "]"
  }

  /// A text between quotes.
  static func string(_ text: String) -> String {
    var result = "\""
    for unit in text.utf16 { append(unit, to: &result) }
    return result + "\""
  }

  private static func append(_ unit: UInt16, to result: inout String) {
    switch unit {
    case 0x22: result += "\\\""
    case 0x5C: result += "\\\\"
    case 0x08: result += "\\b"
    case 0x09: result += "\\t"
    case 0x0A: result += "\\n"
    case 0x0C: result += "\\f"
    case 0x0D: result += "\\r"
    case 0x20...0x7E: result.unicodeScalars.append(Unicode.Scalar(UInt8(unit)))
    default:
      let digits = String(unit, radix: 16)
      result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    }
  }
}
