/// The four Unicode normalization forms (Unicode Standard Annex 15).
///
/// Text is decomposed, its marks are put in canonical order, and for NFC and NFKC composed again.
/// Stretches that cannot change are found by a quick check and copied.
struct UnicodeNormalizer {
  /// A normalization form, by its name in tokenizer.json.
  enum Form: String, Sendable, CaseIterable {
    case composed = "NFC"
    case decomposed = "NFD"
    case compatibilityComposed = "NFKC"
    case compatibilityDecomposed = "NFKD"
  }

  private let composes: Bool
  private let canonical = UnicodeMappings.canonical
  private let compatibility: UnicodeMappings?

  init(_ form: Form) {
    composes = form == .composed || form == .compatibilityComposed
    let isCompatible = form == .compatibilityComposed || form == .compatibilityDecomposed
    compatibility = isCompatible ? UnicodeMappings.compatibility : nil
  }

  /// The normalized form of a text.
  ///
  /// ASCII never changes and never joins what precedes it, so each stretch of other scalars is
  /// normalized together with the one ASCII scalar before it.
  func normalized(_ text: [UInt8]) -> [UInt8] {
    guard var start = text.firstIndex(where: { $0 >= 0x80 }) else { return text }
    var output: [UInt8] = []
    output.reserveCapacity(text.count)
    var copied = 0
    text.withUnsafeBufferPointer { text in
      while start < text.count {
        let from = max(copied, start - 1)
        let end = text[start...].firstIndex { $0 < 0x80 } ?? text.count
        output.append(contentsOf: text[copied..<from])
        appendStretch(text, from..<end, to: &output)
        copied = end
        start = text[end...].firstIndex { $0 >= 0x80 } ?? text.count
      }
      output.append(contentsOf: text[copied...])
    }
    return output
  }

  private func appendStretch(_ text: UTF8Text, _ range: Range<Int>, to output: inout [UInt8]) {
    var position = range.lowerBound
    while position < range.upperBound {
      let (value, length) = text.scalar(at: position, end: range.upperBound)
      if !isStable(value) { break }
      position += length
    }
    if position == range.upperBound {
      output.append(contentsOf: text[range])
      return
    }
    var scalars = decomposed(text, range)
    UnicodeNormalizer.reorder(&scalars)
    for value in composes ? composed(scalars) : scalars.map(\.value) {
      output.append(Unicode.Scalar(value) ?? "\u{FFFD}")
    }
  }

  /// Whether the scalar stays as it is, whatever surrounds it.
  private func isStable(_ value: UInt32) -> Bool {
    switch value {
    case 0..<0xA0, 0x3400...0x4DBF, 0x4E00...0x9FFF: return true
    case 0xA0..<0x300 where composes && compatibility == nil: return true
    case Hangul.syllables: return composes
    default: break
    }
    if UnicodeNormalizer.combiningClass(value) != 0 { return false }
    if compatibility?.decomposition(of: value) != nil { return false }
    if composes { return !canonical.isUnstable(value) && !Hangul.isTrailing(value) }
    return canonical.decomposition(of: value) == nil
  }

  // MARK: - Decomposition

  /// A scalar with its canonical combining class.
  private struct Element {
    var value: UInt32
    var combiningClass: UInt8
  }

  private static func combiningClass(_ value: UInt32) -> UInt8 {
    if value < 0x300 { return 0 }
    return Unicode.Scalar(value)?.properties.canonicalCombiningClass.rawValue ?? 0
  }

  private func decomposed(_ text: UTF8Text, _ range: Range<Int>) -> [Element] {
    var elements: [Element] = []
    elements.reserveCapacity(range.count)
    func append(_ value: UInt32) {
      elements.append(
        Element(value: value, combiningClass: UnicodeNormalizer.combiningClass(value))
      )
    }
    var position = range.lowerBound
    while position < range.upperBound {
      let (value, length) = text.scalar(at: position, end: range.upperBound)
      position += length
      if Hangul.syllables.contains(value) {
        Hangul.decomposed(value).forEach(append)
      } else if let mapping = compatibility?.decomposition(of: value)
        ?? canonical.decomposition(of: value)
      {
        mapping.forEach(append)
      } else {
        append(value)
      }
    }
    return elements
  }

  /// Sorts each run of marks by combining class, keeping the order of equals.
  private static func reorder(_ elements: inout [Element]) {
    var start = 0
    while start < elements.count {
      guard elements[start].combiningClass != 0 else {
        start += 1
        continue
      }
      let end =
        elements[start...].firstIndex { $0.combiningClass == 0 } ?? elements.count
      if end - start > 1 {
        // Class, place, value: distinct keys, so any sort is stable.
        let keys = (start..<end).map { index in
          UInt64(elements[index].combiningClass) << 56 | UInt64(index - start) << 21
            | UInt64(elements[index].value)
        }
        for (offset, key) in keys.sorted().enumerated() {
          elements[start + offset] = Element(
            value: UInt32(key & 0x1F_FFFF),
            combiningClass: UInt8(key >> 56)
          )
        }
      }
      start = end
    }
  }

  // MARK: - Composition

  private func composed(_ elements: [Element]) -> [UInt32] {
    var output: [UInt32] = []
    output.reserveCapacity(elements.count)
    var starter: Int?
    var lastClass: UInt8 = 0
    for element in elements {
      if let starter, output.count == starter + 1 || lastClass < element.combiningClass,
        let composite = composite(output[starter], element.value)
      {
        output[starter] = composite
        continue
      }
      if element.combiningClass == 0 { starter = output.count }
      lastClass = element.combiningClass
      output.append(element.value)
    }
    return output
  }

  private func composite(_ first: UInt32, _ second: UInt32) -> UInt32? {
    Hangul.composite(first, second) ?? canonical.composite(first, second)
  }
}

/// The arithmetic of Hangul syllables (Unicode Standard, section 3.12).
private enum Hangul {
  static let syllables: ClosedRange<UInt32> = 0xAC00...0xD7A3

  static func decomposed(_ syllable: UInt32) -> [UInt32] {
    let index = syllable - 0xAC00
    let pair = [0x1100 + index / 588, 0x1161 + index % 588 / 28]
    return index % 28 == 0 ? pair : pair + [0x11A7 + index % 28]
  }

  /// Whether the scalar may join a syllable before it.
  static func isTrailing(_ value: UInt32) -> Bool {
    0x1161...0x1175 ~= value || 0x11A8...0x11C2 ~= value
  }

  static func composite(_ first: UInt32, _ second: UInt32) -> UInt32? {
    if 0x1100...0x1112 ~= first, 0x1161...0x1175 ~= second {
      return 0xAC00 + (first - 0x1100) * 588 + (second - 0x1161) * 28
    }
    if syllables ~= first, (first - 0xAC00) % 28 == 0, 0x11A8...0x11C2 ~= second {
      return first + second - 0x11A7
    }
    return nil
  }
}
