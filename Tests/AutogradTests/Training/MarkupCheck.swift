/// A small check that a text is well-formed XML: tags nest, attributes are quoted and differ,
/// references are known, no character is one that XML lacks.
struct MarkupCheck {
  /// The names of the elements in the order in which they open.
  private(set) var elements: [String] = []
  /// The text outside of tags, references replaced.
  private(set) var text = ""
  private(set) var attributes: [[String: String]] = []
  /// The first fault; nil for a well-formed text.
  private(set) var fault: String?

  init(_ markup: String) {
    var open: [String] = []
    var rest = Substring(markup)
    for scalar in markup.unicodeScalars
    where scalar.value < 0x20 && !"\t\n\r".unicodeScalars.contains(scalar) {
      fault = "control character \(scalar.value)"
    }
    while fault == nil, !rest.isEmpty {
      let content = rest.prefix { $0 != "<" }
      rest = rest.dropFirst(content.count)
      text += plain(content)
      guard !rest.isEmpty else { break }
      let tag = rest.dropFirst().prefix { $0 != ">" }
      guard rest.count > tag.count + 1 else {
        fault = "unclosed tag \(tag)"
        break
      }
      rest = rest.dropFirst(tag.count + 2)
      if tag.hasPrefix("!DOCTYPE") { continue }
      if tag.hasPrefix("/") {
        let name = String(tag.dropFirst())
        if open.popLast() != name { fault = "unexpected </\(name)>" }
        continue
      }
      let name = String(tag.prefix { $0 != " " && $0 != "/" })
      elements.append(name)
      readAttributes(tag.dropFirst(name.count))
      if !tag.hasSuffix("/") { open.append(name) }
    }
    if fault == nil, let last = open.last { fault = "<\(last)> is not closed" }
  }

  private mutating func readAttributes(_ tag: Substring) {
    var rest = tag.hasSuffix("/") ? tag.dropLast() : tag
    var found: [String: String] = [:]
    while fault == nil, let first = rest.first {
      guard first == " ", let equals = rest.firstIndex(of: "=") else {
        return fault = "attributes \(tag)"
      }
      let name = String(rest[rest.index(after: rest.startIndex)..<equals])
      rest = rest[rest.index(after: equals)...]
      guard rest.first == "\"", let end = rest.dropFirst().firstIndex(of: "\"") else {
        return fault = "attribute \(name) is not quoted"
      }
      if found[name] != nil { return fault = "attribute \(name) twice" }
      found[name] = plain(rest.dropFirst()[..<end])
      rest = rest[rest.index(after: end)...]
    }
    attributes.append(found)
  }

  private mutating func plain(_ text: Substring) -> String {
    var result = ""
    var rest = text
    while let start = rest.firstIndex(of: "&") {
      result += rest[..<start]
      guard let end = rest[start...].firstIndex(of: ";") else {
        fault = "unescaped & in \(text.prefix(40))"
        return result
      }
      switch rest[start...end] {
      case "&amp;": result += "&"
      case "&lt;": result += "<"
      case "&gt;": result += ">"
      case "&quot;": result += "\""
      case "&#39;": result += "'"
      default: fault = "unknown reference \(rest[start...end])"
      }
      rest = rest[rest.index(after: end)...]
    }
    return result + rest
  }
}
