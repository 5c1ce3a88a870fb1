extension Character {
  /// The columns of a terminal that the character fills: 0, 1 or 2.
  public var columnCount: Int {
    guard let first = unicodeScalars.first else { return 0 }
    // U+FE0F asks for the coloured, wide form of a character that is narrow by itself.
    if unicodeScalars.dropFirst().contains("\u{FE0F}") && first.properties.isEmoji { return 2 }
    return unicodeScalars.reduce(0) { max($0, $1.columnCount) }
  }
}

extension Unicode.Scalar {
  /// 0 for marks and controls, 2 for the wide scripts and emoji, 1 otherwise.
  ///
  /// - Source: Unicode Standard Annex 11, the blocks of East Asian Width W and F.
  fileprivate var columnCount: Int {
    switch properties.generalCategory {
    case .nonspacingMark, .enclosingMark, .format, .control: return 0
    default: break
    }
    if properties.isEmojiPresentation { return 2 }
    return Self.wideRanges.contains { $0.contains(value) } ? 2 : 1
  }

  private static let wideRanges: [ClosedRange<UInt32>] = [
    0x1100...0x115F, 0x2E80...0x303E, 0x3041...0x33FF, 0x3400...0x4DBF, 0x4E00...0xA4CF,
    0xA960...0xA97F, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF01...0xFF60,
    0xFFE0...0xFFE6, 0x16FE0...0x18DFF, 0x1B000...0x1B2FF, 0x1F200...0x1F2FF, 0x20000...0x3FFFD,
  ]
}

extension StringProtocol {
  /// The columns of a terminal that the text fills.
  public var columnCount: Int { reduce(0) { $0 + $1.columnCount } }
}

extension String {
  /// The text on one line: names out of files must not move a terminal's cursor.
  ///
  /// Controls and direction marks are written as `\u{1B}`.
  public var printable: String { escaping { $0.isUnprintable } }

  /// The text with its line feeds and tabs, and every other control written as `\u{1B}`.
  public var printableLines: String {
    escaping { $0.isUnprintable && $0 != "\n" && $0 != "\t" }
  }

  private func escaping(_ isEscaped: (Unicode.Scalar) -> Bool) -> String {
    guard unicodeScalars.contains(where: isEscaped) else { return self }
    return unicodeScalars.reduce(into: "") { text, scalar in
      if isEscaped(scalar) {
        text += "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
      } else {
        text.unicodeScalars.append(scalar)
      }
    }
  }

  /// The text cut to `columns`, with "…" where its middle is missing.
  public func shortened(to columns: Int) -> String {
    guard columnCount > columns else { return self }
    guard columns > 1 else { return String(prefix(max(columns, 0))) }
    let head = fitting(columns: (columns - 1) / 2)
    let tail = String(reversed()).fitting(columns: columns - 1 - head.columnCount)
    return head + "…" + String(tail.reversed())
  }

  /// The end of the text in `columns`, with "…" where its beginning is missing.
  public func ending(columns: Int) -> String {
    guard columnCount > columns else { return self }
    guard columns > 0 else { return "" }
    return "…" + String(String(reversed()).fitting(columns: columns - 1).reversed())
  }

  private func fitting(columns: Int) -> String {
    var filled = 0
    return String(
      prefix { character in
        filled += character.columnCount
        return filled <= columns
      }
    )
  }
}

extension Unicode.Scalar {
  fileprivate var isUnprintable: Bool {
    switch properties.generalCategory {
    case .control, .lineSeparator, .paragraphSeparator: true
    case .format: (0x202A...0x202E).contains(value) || (0x2066...0x2069).contains(value)
    default: false
    }
  }
}
