extension Tokenizer {
  /// The text of a list of ids.
  ///
  /// Ids that the vocabulary lacks give no text; bytes that are no UTF-8 become U+FFFD.
  ///
  /// - Parameters:
  ///   - ids: the ids, in order.
  ///   - skipSpecialTokens: whether special tokens are left out.
  /// - Returns: The text.
  public func decode(_ ids: some Sequence<Int32>, skipSpecialTokens: Bool = true) -> String {
    var decoder = TokenStreamDecoder(self, skipSpecialTokens: skipSpecialTokens)
    for id in ids { decoder.consume(id) }
    return decoder.finish()
  }

  /// The bytes that an id adds to a text that has begun.
  ///
  /// A token may be a part of a character. Special tokens give their spelling, an id that the
  /// vocabulary lacks gives nothing.
  public func bytes(of id: Int32) -> [UInt8] { TokenStreamDecoder.bytes(of: id, self) }

  /// A decoder for ids that come one by one.
  ///
  /// - Parameter skipSpecialTokens: whether special tokens are left out.
  /// - Returns: A decoder at the start of a text.
  public func makeStreamDecoder(skipSpecialTokens: Bool = true) -> TokenStreamDecoder {
    TokenStreamDecoder(self, skipSpecialTokens: skipSpecialTokens)
  }
}
