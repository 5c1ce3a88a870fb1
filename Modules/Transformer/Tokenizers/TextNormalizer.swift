/// Rewrites text before it is cut into pieces.
struct TextNormalizer: Sendable {
  /// One step.
  enum Step: Sendable {
    case form(UnicodeNormalizer.Form)
    case prepend([UInt8])
    case replace([UInt8], with: [UInt8])
    /// Runs of at least `minimum` times `unit`: the regular expression `unit{minimum,}`.
    case replaceRuns(of: [UInt8], minimum: Int, with: [UInt8])
    case lowercase
    case stripAccents
    case strip(left: Bool, right: Bool)
    case bert(BertNormalizer)
  }

  var steps: [Step] = []

  /// The normalized form of a string.
  func normalized(_ text: String) -> String {
    String(decoding: normalized(Array(text.utf8)), as: UTF8.self)
  }

  /// The normalized form of a text.
  func normalized(_ text: [UInt8]) -> [UInt8] {
    var text = text
    for step in steps where !text.isEmpty { text = TextNormalizer.apply(step, to: text) }
    return text
  }

  private static func apply(_ step: Step, to text: [UInt8]) -> [UInt8] {
    switch step {
    case .form(let form): UnicodeNormalizer(form).normalized(text)
    case .prepend(let prefix): prefix + text
    case .replace(let pattern, let content): replaced(text, pattern, with: content)
    case .replaceRuns(let unit, let minimum, let content):
      replaceRuns(in: text, unit, minimum...Int.max, with: content)
    case .lowercase: lowercased(text)
    case .stripAccents: withoutMarks(text, [.nonspacingMark, .spacingMark, .enclosingMark])
    case .strip(let left, let right): stripped(text, left: left, right: right)
    case .bert(let normalizer): normalizer.normalized(text)
    }
  }

  // MARK: - Replacement

  /// Replaces each occurrence of `pattern`, left to right.
  static func replaced(_ text: [UInt8], _ pattern: [UInt8], with content: [UInt8]) -> [UInt8] {
    replaceRuns(in: text, pattern, 1...1, with: content)
  }

  /// Replaces each run of `unit` whose length lies in `counts`; a longer run is cut up.
  private static func replaceRuns(
    in text: [UInt8],
    _ unit: [UInt8],
    _ counts: ClosedRange<Int>,
    with content: [UInt8]
  ) -> [UInt8] {
    guard let first = unit.first else { return text }
    var output: [UInt8] = []
    output.reserveCapacity(text.count + text.count / 4)
    text.withUnsafeBufferPointer { text in
      var index = 0
      while index < text.count {
        let byte = text[index]
        guard byte == first else {
          output.append(byte)
          index += 1
          continue
        }
        let count = repetitions(of: unit, in: text, at: index, atMost: counts.upperBound)
        if count >= counts.lowerBound {
          output.append(contentsOf: content)
        } else {
          output.append(contentsOf: text[index..<index + max(1, count * unit.count)])
        }
        index += max(1, count * unit.count)
      }
    }
    return output
  }

  private static func repetitions(
    of unit: [UInt8],
    in text: UTF8Text,
    at index: Int,
    atMost limit: Int
  ) -> Int {
    var count = 0
    var position = index
    while count < limit, position + unit.count <= text.count,
      unit.count == 1
        ? text[position] == unit[0]
        : text[position..<position + unit.count].elementsEqual(unit)
    {
      count += 1
      position += unit.count
    }
    return count
  }

  // MARK: - Scalars

  /// Each scalar's own lower case, without regard to its place in a word.
  static func lowercased(_ text: [UInt8]) -> [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(text.count)
    for scalar in text.scalars {
      if scalar.isASCII {
        let byte = UInt8(truncatingIfNeeded: scalar.value)
        output.append(byte &- 0x41 < 26 ? byte | 0x20 : byte)
      } else {
        output.append(contentsOf: scalar.properties.lowercaseMapping.utf8)
      }
    }
    return output
  }

  /// Drops the scalars of these categories, none of which is ASCII.
  static func withoutMarks(
    _ text: [UInt8],
    _ marks: Set<Unicode.GeneralCategory>
  ) -> [UInt8] {
    guard text.contains(where: { $0 >= 0x80 }) else { return text }
    var output: [UInt8] = []
    output.reserveCapacity(text.count)
    for scalar in text.scalars
    where scalar.isASCII || !marks.contains(scalar.properties.generalCategory) {
      output.append(scalar)
    }
    return output
  }

  private static func stripped(_ text: [UInt8], left: Bool, right: Bool) -> [UInt8] {
    text.withUnsafeBufferPointer { text in
      var (start, end) = (0, text.count)
      if left { start = text.endOfRun(of: .whitespace, from: 0, end: end) }
      while right, end > start {
        let last = text.startOfScalar(before: end, start: start)
        let (value, _) = text.scalar(at: last, end: end)
        guard ScalarClass.isWhitespace(value) else { break }
        end = last
      }
      return Array(text[start..<end])
    }
  }
}

/// The normalizer of BERT: cleaning, room around ideographs, accents, lower case.
///
/// - Source: BERT's `BasicTokenizer`; Hugging Face `BertNormalizer`.
/// - Deviation: categories are those of the standard library's Unicode version; the reference has
///   the tables of Unicode 8, so that marks and punctuation added since then differ.
struct BertNormalizer: Equatable, Sendable {
  /// Drops control characters and turns each white space into a space.
  var cleansText = true
  /// Puts spaces around CJK ideographs.
  var separatesIdeographs = true
  /// Decomposes and drops non-spacing marks.
  var stripsAccents = true
  /// Lower case, scalar by scalar.
  var lowercases = true

  /// The normalized form of a text.
  func normalized(_ text: [UInt8]) -> [UInt8] {
    var text = cleansText || separatesIdeographs ? cleaned(text) : text
    if stripsAccents {
      text = UnicodeNormalizer(.decomposed).normalized(text)
      text = TextNormalizer.withoutMarks(text, [.nonspacingMark])
    }
    return lowercases ? TextNormalizer.lowercased(text) : text
  }

  private func cleaned(_ text: [UInt8]) -> [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(text.count)
    for scalar in text.scalars {
      let value = scalar.value
      if value &- 0x21 < 0x5E {
        output.append(UInt8(truncatingIfNeeded: value))
      } else if cleansText, isWhitespace(value) {
        output.append(0x20)
      } else if cleansText, isDropped(scalar) {
        continue
      } else if separatesIdeographs, isIdeograph(value) {
        output.append(0x20)
        output.append(scalar)
        output.append(0x20)
      } else {
        output.append(scalar)
      }
    }
    return output
  }

  /// White space after the control characters are gone: those that are both count as control,
  /// save tab and line breaks.
  private func isWhitespace(_ value: UInt32) -> Bool {
    switch value {
    case 0x0B, 0x0C, 0x85: false
    default: ScalarClass.isWhitespace(value)
    }
  }

  private func isDropped(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.value == 0xFFFD { return true }
    switch scalar.properties.generalCategory {
    case .control, .format, .privateUse: return true
    default: return false
    }
  }

  private func isIdeograph(_ value: UInt32) -> Bool {
    switch value {
    case 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xF900...0xFAFF, 0x20000...0x2A6DF, 0x2A700...0x2B73F,
      0x2B740...0x2B81F, 0x2B920...0x2CEAF, 0x2F800...0x2FA1F:
      true
    default: false
    }
  }
}
