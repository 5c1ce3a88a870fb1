/// Text to ids and back, for every tokenizer kind of the released model families.
///
///     let tokenizer = try Tokenizer(contentsOf: folder.appending(path: "tokenizer.json"))
///     let ids = tokenizer.encode("The capital of France is")
///     let text = tokenizer.decode(ids)
///
/// The kinds are byte-level BPE (GPT-2, Llama 3, Qwen, SmolLM), SentencePiece-style BPE (Llama 2,
/// Gemma), Unigram and WordPiece (BERT). They come from a `tokenizer.json` of the Hugging Face
/// tokenizers library or from the metadata of a GGUF file, and give the ids of those references:
///
///     text → added tokens cut out → normalizer → pre-tokenizer → model → template → ids
///
/// Regular expressions of released files are known by their text and run as hand-written scanners;
/// there is no regex engine and no template engine. A component that is not known is refused with
/// an error that names it.
///
/// A tokenizer is a value that never changes: use one from as many tasks as you like.
///
/// - Complexity: encoding is O(n log n) in the length of the text, whatever the text.
public struct Tokenizer: Sendable {
  let vocabulary: Vocabulary
  let model: TokenModel
  let normalizer: TextNormalizer
  let preTokenizer: PreTokenizer
  let template: TokenTemplate
  let decoder: TokenDecoder
  let rawMatcher: AddedTokenMatcher
  let normalizedMatcher: AddedTokenMatcher

  /// The id that opens a text for models that want one, if the tokenizer has one.
  ///
  /// From the GGUF metadata, from a `tokenizer_config.json` beside the file, or else the token that
  /// the template puts first or a special token with a customary name (`<s>`, `<bos>`, …).
  public let bosID: Int32?
  /// The id that ends a text, if the tokenizer has one; found like ``bosID``.
  public let eosID: Int32?

  /// The number of ids: one more than the largest id.
  public var vocabularyCount: Int { vocabulary.count }

  /// The special tokens and their ids.
  public var specialTokens: [String: Int32] {
    Dictionary(
      vocabulary.added.filter(\.isSpecial).map { ($0.content, $0.id) },
      uniquingKeysWith: { _, last in last }
    )
  }

  /// The bytes of the longest token: a text of more than n times as many has more than n tokens.
  package var longestTokenLength: Int {
    (0..<Int32(vocabularyCount)).reduce(1) { longest, id in
      let added = vocabulary.addedToken(id)?.spelling.count ?? 0
      return max(longest, added, vocabulary.table.token(id)?.count ?? 0)
    }
  }

  /// The id of a token in the spelling of the vocabulary: `Ġthe`, `▁the`, `##ing`, `<|im_end|>`.
  public func id(of token: String) -> Int32? { vocabulary.id(of: token) }

  /// The token with this id in the spelling of the vocabulary.
  public func token(for id: Int32) -> String? {
    vocabulary.spelling(of: id).map { String(decoding: $0, as: UTF8.self) }
  }

  /// Whether `id` is a special token: one that marks structure and is no text.
  public func isSpecial(_ id: Int32) -> Bool { vocabulary.isSpecial(id) }
}

/// The model of a tokenizer: what turns one piece into ids.
enum TokenModel: Sendable {
  case bytePair(BytePairModel)
  case unigram(UnigramModel)
  case wordPiece(WordPieceModel)
}

/// What a loader found, before it becomes a tokenizer.
struct TokenizerParts {
  var vocabulary: Vocabulary
  var model: TokenModel
  var normalizer = TextNormalizer()
  var preTokenizer = PreTokenizer()
  var template = TokenTemplate.plain
  var decoder = TokenDecoder.spaced
  var bosID: Int32?
  var eosID: Int32?
}

extension Tokenizer {
  /// The tokenizer without the added tokens that a model of `count` ids has no rows for: their
  /// spellings are plain text then; nil if texts still lead there: to ordinary tokens, the unknown token
  /// or one of the template.
  ///
  /// Released files add tokens that the text model never sees: Gemma 3's `<image_soft_token>` is the
  /// first id behind the embedding.
  func limited(to count: Int) -> Tokenizer? {
    guard let vocabulary = Vocabulary(vocabulary, limitedTo: count) else { return nil }
    func known(_ id: Int32?) -> Int32? { id.flatMap { $0 < count ? $0 : nil } }
    let limited = Tokenizer(
      TokenizerParts(
        vocabulary: vocabulary,
        model: model,
        normalizer: normalizer,
        preTokenizer: preTokenizer,
        template: template,
        decoder: decoder,
        bosID: known(bosID),
        eosID: known(eosID)
      )
    )
    // A letter of Old Persian, which hardly any vocabulary has, stands for what is unknown.
    let texts = ["𐎠"] + (count..<self.vocabulary.count).compactMap { token(for: Int32($0)) }
    let isInside = texts.allSatisfy { text in limited.encode(text).allSatisfy { $0 < count } }
    return isInside ? limited : nil
  }

  init(_ parts: TokenizerParts) {
    vocabulary = parts.vocabulary
    model = parts.model
    normalizer = parts.normalizer
    preTokenizer = parts.preTokenizer
    template = parts.template
    decoder = parts.decoder
    let added = parts.vocabulary.added
    rawMatcher = AddedTokenMatcher(added.filter { $0.normalizedContent == nil })
    normalizedMatcher = AddedTokenMatcher(added.filter { $0.normalizedContent != nil })
    bosID = parts.bosID
    eosID = parts.eosID
  }
}
