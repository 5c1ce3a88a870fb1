/// Why a tokenizer could not be made from a file or from metadata.
///
/// Encoding and decoding never throw: once a tokenizer exists, every text has ids and every list
/// of ids has a text.
public enum TokenizerError: Error, Equatable, Sendable {
  /// The file at `path` could not be read.
  case unreadableFile(path: String, reason: String)
  /// The text is not valid JSON.
  case invalidJSON(reason: String)
  /// A field that the tokenizer needs is absent; `path` is dotted, like `model.vocab`.
  case missingField(path: String)
  /// A field holds something else than what it must hold.
  case invalidField(path: String, expected: String, found: String)
  /// A component exists in the format but not here.
  case unsupported(path: String, name: String, supported: [String])
  /// A merge, template or setting names a token that the vocabulary lacks.
  case unknownToken(path: String, token: String)
  /// A count or length is above the limit that keeps loading cheap.
  case limitExceeded(path: String, limit: Int, found: Int)
}

extension TokenizerError: CustomStringConvertible {
  /// The error in one line: where, what, and what to do when something can be done.
  public var description: String {
    switch self {
    case .unreadableFile(let path, let reason):
      "tokenizer: cannot read \(path): \(reason)"
    case .invalidJSON(let reason):
      "tokenizer: not valid JSON: \(reason)"
    case .missingField(let path):
      "tokenizer: field '\(path)' is missing; is this a tokenizer.json or a GGUF vocabulary?"
    case .invalidField(let path, let expected, let found):
      "tokenizer: field '\(path)' must be \(expected), found \(found)"
    case .unsupported(let path, let name, let supported):
      "tokenizer: '\(name)' in '\(path)' is not supported; supported: "
        + supported.joined(separator: ", ")
    case .unknownToken(let path, let token):
      "tokenizer: '\(path)' names the token '\(token)', which is not in the vocabulary"
    case .limitExceeded(let path, let limit, let found):
      "tokenizer: '\(path)' is \(found), above the limit of \(limit)"
    }
  }
}

/// What a vocabulary file may ask for at most, so that no file makes loading slow or large.
enum TokenizerLimits {
  /// The largest tokenizer.json in bytes; Gemma's is 33 MB.
  static let fileBytes = 256 << 20
  /// The longest token in bytes; released vocabularies stay below 300.
  static let tokenBytes = 1_024
  /// How far ids may run past the number of tokens, when a vocabulary has holes.
  static let idGap = 1 << 20
  /// The most tokens a vocabulary may hold.
  static let tokenCount = 1 << 24
  /// The most steps in a normalizer, pre-tokenizer, decoder or template.
  static let steps = 64
}
