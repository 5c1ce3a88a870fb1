import Checkpoints

extension String {
  /// The text as it may stand in an element or an attribute of XML and HTML.
  ///
  /// Characters that XML does not have, such as control characters, become U+FFFD.
  var escapedForMarkup: String {
    var text = ""
    for scalar in unicodeScalars {
      switch scalar {
      case "&": text += "&amp;"
      case "<": text += "&lt;"
      case ">": text += "&gt;"
      case "\"": text += "&quot;"
      case "'": text += "&#39;"
      case "\u{0}"..."\u{8}", "\u{B}", "\u{C}", "\u{E}"..."\u{1F}", "\u{7F}"..."\u{9F}",
        "\u{FFFE}", "\u{FFFF}":
        text += "\u{FFFD}"
      default: text.unicodeScalars.append(scalar)
      }
    }
    return text
  }

  /// The first characters and an ellipsis where there are more than `count`.
  func shortened(to count: Int) -> String {
    self.count > count ? String(prefix(count - 1)) + "…" : self
  }
}

extension Double {
  /// The number for a drawing: at most two decimals, never an exponent.
  var coordinate: String {
    let hundredths = Int((self * 100).rounded())
    let (whole, rest) = (abs(hundredths) / 100, abs(hundredths) % 100)
    let sign = hundredths < 0 ? "-" : ""
    if rest == 0 { return "\(sign)\(whole)" }
    return rest % 10 == 0
      ? "\(sign)\(whole).\(rest / 10)" : "\(sign)\(whole).\(rest / 10)\(rest % 10)"
  }

  /// The number for a reader: six significant digits, and words for what is none.
  var readable: String {
    if isNaN { return "NaN" }
    if isInfinite { return self < 0 ? "−∞" : "∞" }
    return (self == 0 ? 0 : self).text(.significant, digits: 6).replacing("-", with: "−")
  }
}
