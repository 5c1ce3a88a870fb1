/// Where special tokens go around one text or a pair.
struct TokenTemplate: Equatable, Sendable {
  /// A part of the result.
  enum Part: Equatable, Sendable {
    case special([Int32], typeID: Int32)
    case first(typeID: Int32)
    case second(typeID: Int32)
  }

  var single: [Part] = [.first(typeID: 0)]
  var pair: [Part] = [.first(typeID: 0), .second(typeID: 1)]

  /// The template that adds nothing.
  static let plain = TokenTemplate()

  /// `prefix text suffix`, for a pair `prefix first suffix prefix second suffix`.
  static func around(prefix: [Int32], suffix: [Int32]) -> TokenTemplate {
    func wrapped(_ part: Part, _ typeID: Int32) -> [Part] {
      let start: [Part] = prefix.isEmpty ? [] : [.special(prefix, typeID: typeID)]
      let end: [Part] = suffix.isEmpty ? [] : [.special(suffix, typeID: typeID)]
      return start + [part] + end
    }
    let first = wrapped(.first(typeID: 0), 0)
    return TokenTemplate(single: first, pair: first + wrapped(.second(typeID: 1), 1))
  }

  /// The ids before the first text, when there are any.
  var prefixIDs: [Int32] {
    if case .special(let ids, _)? = single.first { ids } else { [] }
  }

  /// The ids after the text, when there are any.
  var suffixIDs: [Int32] {
    if case .special(let ids, _)? = single.last { ids } else { [] }
  }
}

/// The ids of two texts in one row, as encoders for sentence pairs take them.
public struct TokenizedPair: Hashable, Sendable {
  /// The ids of both texts with the special tokens around them.
  public var ids: [Int32]
  /// Which text each id belongs to: 0 or 1, as the tokenizer's template says.
  public var typeIDs: [Int32]

  /// Makes a pair from its two lists, which have the same length.
  public init(ids: [Int32], typeIDs: [Int32]) {
    self.ids = ids
    self.typeIDs = typeIDs
  }
}
