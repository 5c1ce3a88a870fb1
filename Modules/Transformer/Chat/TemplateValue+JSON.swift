/// How the filter `tojson` writes, with the arguments of Python's `json.dumps`.
struct TemplateJSONStyle {
  var isASCII = false
  /// What lines are indented by; nil for one line.
  var indent: String?
  var itemSeparator = ", "
  var keySeparator = ": "
  var sortsKeys = false
}

extension TemplateValue {
  /// The value as JSON; nil for what JSON cannot hold.
  func json(_ style: TemplateJSONStyle) -> String? {
    var text = ""
    return write(json: style, to: &text, depth: 0) ? text : nil
  }

  private func write(
    json style: TemplateJSONStyle,
    to text: inout String,
    depth: Int
  ) -> Bool {
    switch self {
    case .none: text += "null"
    case .bool(let flag): text += flag ? "true" : "false"
    case .integer(let number): text += "\(number)"
    case .number(let number): text += Self.json(number)
    case .string(let string): style.write(string, to: &text)
    case .list(let list):
      guard list.kind == .list || list.kind == .tuple else { return false }
      return style.write(list.items, "[", "]", to: &text, depth) { item, text in
        item.write(json: style, to: &text, depth: depth + 1)
      }
    case .map(let map):
      guard let pairs = style.ordered(map) else { return false }
      return style.write(pairs, "{", "}", to: &text, depth) { pair, text in
        style.write(pair.0, to: &text)
        text += style.keySeparator
        return pair.1.write(json: style, to: &text, depth: depth + 1)
      }
    case .undefined, .generator, .namespace, .loop, .function: return false
    }
    return true
  }

  fileprivate static func json(_ number: Double) -> String {
    if number.isNaN { return "NaN" }
    if number.isInfinite { return number < 0 ? "-Infinity" : "Infinity" }
    return TemplateText.text(of: number)
  }
}

extension TemplateJSONStyle {
  /// The pairs in the order in which they are written; nil if a key can be none.
  fileprivate func ordered(_ map: TemplateMap) -> [(String, TemplateValue)]? {
    var pairs: [(String, TemplateValue)] = []
    for (key, value) in map.pairs {
      switch key {
      case .string(let name): pairs.append((name, value))
      case .integer(let number): pairs.append(("\(number)", value))
      case .number(let number): pairs.append((TemplateValue.json(number), value))
      case .bool(let flag): pairs.append((flag ? "true" : "false", value))
      case .none: pairs.append(("null", value))
      default: return nil
      }
      // Python cannot sort keys of different kinds.
      if sortsKeys, key.string == nil { return nil }
    }
    return sortsKeys ? pairs.sorted { TemplateText.precedes($0.0, $1.0) } : pairs
  }

  fileprivate func write<Part>(
    _ parts: [Part],
    _ open: String,
    _ close: String,
    to text: inout String,
    _ depth: Int,
    part: (Part, inout String) -> Bool
  ) -> Bool {
    text += open
    for (index, value) in parts.enumerated() {
      if index > 0 { text += itemSeparator }
      breakLine(depth + 1, to: &text)
      guard part(value, &text) else { return false }
    }
    if !parts.isEmpty { breakLine(depth, to: &text) }
    text += close
    return true
  }

  private func breakLine(_ depth: Int, to text: inout String) {
    guard let indent else { return }
    text += "\n" + String(repeating: indent, count: depth)
  }

  fileprivate func write(_ string: String, to text: inout String) {
    text += "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      case "\u{8}": text += "\\b"
      case "\u{C}": text += "\\f"
      case "\0"..<" ": text += "\\u" + TemplateText.hexadecimal(scalar.value, digits: 4)
      default:
        if isASCII, scalar.value > 0x7E {
          for unit in String(scalar).utf16 {
            text += "\\u" + TemplateText.hexadecimal(UInt32(unit), digits: 4)
          }
        } else {
          text.unicodeScalars.append(scalar)
        }
      }
    }
    text += "\""
  }
}
