/// How a vocabulary of byte pairs is learned.
public struct BytePairOptions: Codable, Hashable, Sendable {
  /// V: the special tokens, the 256 bytes and the merged tokens.
  ///
  /// Fewer come out where no pair is frequent enough.
  public var vocabularyCount: Int
  /// A pair is merged only if it occurs as often as this.
  public var minimumFrequency = 0
  /// Tokens that mark structure and are never merged from text; they take the ids from 0.
  public var specialTokens: [String] = []
  /// The special token that opens a text, if there is one.
  public var bosToken: String?
  /// The special token that ends a text, if there is one.
  public var eosToken: String?
  /// How text is cut into the pieces that merges stay within.
  public var pattern = PreTokenPattern.gpt2
  /// Merged tokens of three bytes and more are shorter than this; nil for no limit of one's own.
  ///
  /// Exclusive, and without effect on pairs of single bytes, as the reference has it.
  public var maximumTokenLength: Int?

  /// Settings for a vocabulary of `vocabularyCount` tokens.
  public init(vocabularyCount: Int, specialTokens: [String] = [], pattern: PreTokenPattern = .gpt2)
  {
    self.vocabularyCount = vocabularyCount
    self.specialTokens = specialTokens
    self.pattern = pattern
  }

  /// Throws what is wrong with the settings.
  func check() throws(BytePairTrainingError) {
    try checkSpecialTokens()
    let least = 256 + specialTokens.count
    guard vocabularyCount >= least else {
      throw .vocabularyTooSmall(size: vocabularyCount, least: least)
    }
    guard vocabularyCount <= TokenizerLimits.tokenCount else {
      throw .vocabularyTooLarge(size: vocabularyCount, limit: TokenizerLimits.tokenCount)
    }
    guard minimumFrequency >= 0 else {
      throw .invalidOption(name: "the minimum frequency", value: minimumFrequency, least: 0)
    }
    if let length = maximumTokenLength, length < 1 {
      throw .invalidOption(name: "the maximum token length", value: length, least: 1)
    }
  }

  private func checkSpecialTokens() throws(BytePairTrainingError) {
    // By bytes: canonically equivalent tokens are two.
    var known = Set<[UInt8]>()
    for (index, token) in specialTokens.enumerated() {
      guard !token.isEmpty else { throw .emptySpecialToken(index: index) }
      guard token.utf8.count <= TokenizerLimits.tokenBytes else {
        throw .specialTokenTooLong(token, limit: TokenizerLimits.tokenBytes)
      }
      guard known.insert(Array(token.utf8)).inserted else { throw .duplicateSpecialToken(token) }
    }
    for (role, token) in [("bos", bosToken), ("eos", eosToken)] {
      guard let token, !known.contains(Array(token.utf8)) else { continue }
      throw .unknownToken(role: role, token: token, specialTokens: specialTokens)
    }
  }
}
