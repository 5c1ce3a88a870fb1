public import Checkpoints
public import Foundation

/// A byte-level BPE vocabulary that was learned from texts.
public struct BytePairVocabulary: Sendable {
  /// Why training ended.
  public enum Ending: String, Codable, Hashable, Sendable {
    /// The vocabulary is as large as was asked for.
    case complete
    /// No pair is frequent enough for another merge.
    case exhausted
    /// The caller asked for the end.
    case stopped
  }

  /// A merge of two tokens, by their ids.
  public struct Merge: Codable, Hashable, Sendable {
    /// The id of the left token.
    public let left: Int32
    /// The id of the right token.
    public let right: Int32
  }

  /// How the vocabulary was learned.
  public let options: BytePairOptions
  /// Why training ended.
  public let ending: Ending
  /// The bytes of text that it was learned from.
  public let byteCount: Int
  /// The distinct pieces of that text.
  public let pieceCount: Int
  /// The tokens by id, in the spelling of the printable alphabet: `Ġthe`.
  public let tokens: [String]
  /// The merges, first learned first.
  public let merges: [Merge]

  init(
    _ learned: LearnedTokens,
    _ options: BytePairOptions,
    ending: Ending,
    byteCount: Int,
    pieceCount: Int
  ) {
    self.options = options
    self.ending = ending
    self.byteCount = byteCount
    self.pieceCount = pieceCount
    tokens = learned.spellings.map { String(decoding: $0, as: UTF8.self) }
    merges = learned.distinctMerges.map {
      Merge(left: Int32(bitPattern: $0.left), right: Int32(bitPattern: $0.right))
    }
  }

  /// The tokenizer.json, which the Hugging Face tokenizers library reads as well.
  public func document() -> JSONObject {
    let addedTokens = options.specialTokens.enumerated().map { id, token -> JSONValue in
      [
        "id": .integer(Int64(id)), "content": .string(token), "single_word": false,
        "lstrip": false, "rstrip": false, "normalized": false, "special": true,
      ]
    }
    let model: JSONObject = [
      "type": "BPE", "dropout": nil, "unk_token": nil, "continuing_subword_prefix": nil,
      "end_of_word_suffix": nil, "fuse_unk": false, "byte_fallback": false,
      "ignore_merges": false,
      "vocab": .object(JSONObject(tokens.enumerated().map { ($1, .integer(Int64($0))) })),
      "merges": .array(
        merges.map { [.string(tokens[Int($0.left)]), .string(tokens[Int($0.right)])] }
      ),
    ]
    return [
      "version": "1.0", "truncation": nil, "padding": nil, "added_tokens": .array(addedTokens),
      "normalizer": nil, "pre_tokenizer": options.pattern.document, "post_processor": nil,
      "decoder": PreTokenPattern.byteLevel(usingPattern: true), "model": .object(model),
    ]
  }

  /// The tokenizer_config.json, by which the transformers library knows what to do with the other.
  public func settingsDocument() -> JSONObject {
    var settings: JSONObject = [
      "tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": false,
    ]
    if let token = options.bosToken { settings["bos_token"] = .string(token) }
    if let token = options.eosToken { settings["eos_token"] = .string(token) }
    return settings
  }

  /// Both files by name, as they lie beside a model.
  public func documents() -> [String: Data] {
    [
      "tokenizer.json": document(), "tokenizer_config.json": settingsDocument(),
    ].mapValues { document in
      Data(JSONValue.object(document).serializedBytes(pretty: true) + [0x0A])
    }
  }

  /// The tokenizer with this vocabulary.
  ///
  /// - Throws: `TokenizerError` never, unless a special token is damaged.
  public func tokenizer() throws(TokenizerError) -> Tokenizer {
    var parts = try TokenizerFile(.object(document())).parts()
    if let token = options.bosToken { parts.bosID = parts.vocabulary.id(of: token) }
    if let token = options.eosToken { parts.eosID = parts.vocabulary.id(of: token) }
    return Tokenizer(parts)
  }
}
