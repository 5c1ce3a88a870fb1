import Checkpoints

/// Why a vocabulary of byte pairs cannot be learned.
public enum BytePairTrainingError: Error, Equatable, Sendable {
  /// The vocabulary has no room for the 256 bytes and the special tokens.
  case vocabularyTooSmall(size: Int, least: Int)
  /// The vocabulary is larger than the readers accept.
  case vocabularyTooLarge(size: Int, limit: Int)
  /// A special token is listed twice.
  case duplicateSpecialToken(String)
  /// A special token is the empty text; `index` is its place in the list.
  case emptySpecialToken(index: Int)
  /// A special token is longer than the readers accept, in bytes of UTF-8.
  case specialTokenTooLong(String, limit: Int)
  /// The token that opens or ends a text (`role`: bos or eos) is no special token.
  case unknownToken(role: String, token: String, specialTokens: [String])
  /// A number lies outside of what it may be.
  case invalidOption(name: String, value: Int, least: Int)
  /// No text, or empty ones only, came in before training.
  case noText
}

extension BytePairTrainingError: CustomStringConvertible {
  /// The error in one line: what, where, and what to do.
  public var description: String {
    switch self {
    case .vocabularyTooSmall(let size, let least):
      "tokenizer training: a vocabulary of \(size) is too small for 256 bytes and "
        + "\(least - 256) special tokens; ask for \(least) or more"
    case .vocabularyTooLarge(let size, let limit):
      "tokenizer training: a vocabulary of \(size) is above the limit of \(limit); ask for less"
    case .duplicateSpecialToken(let token):
      "tokenizer training: the special token \(token.quotedForMessage) is listed twice; list it once"
    case .emptySpecialToken(let index):
      "tokenizer training: special token \(index) is empty; leave it out or give it a text"
    case .specialTokenTooLong(let token, let limit):
      "tokenizer training: the special token \(token.quotedForMessage) has \(token.utf8.count) "
        + "bytes, more than \(limit); choose a shorter one"
    case .unknownToken(let role, let token, let specialTokens):
      "tokenizer training: the \(role) token \(token.quotedForMessage) is no special token; list it "
        + "among them: \(specialTokens.isEmpty ? "none" : specialTokens.joined(separator: ", "))"
    case .invalidOption(let name, let value, let least):
      "tokenizer training: \(name) is \(value); it must be \(least) or more"
    case .noText:
      "tokenizer training: there is no text to learn from; add one that is not empty"
    }
  }
}
