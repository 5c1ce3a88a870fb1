import Checkpoints

/// Reads a tokenizer.json, the format of the Hugging Face tokenizers library, version 1.0.
///
/// `truncation` and `padding` are ignored: they describe batches, not texts.
struct TokenizerFile {
  let root: TokenizerField

  init(_ json: JSONValue) {
    root = TokenizerField(path: "", value: json)
  }

  /// Everything that a tokenizer is made of.
  func parts() throws(TokenizerError) -> TokenizerParts {
    guard root.value.objectValue != nil else {
      throw .invalidField(path: "the file", expected: "an object", found: root.value.kind)
    }
    let version = root["version"]
    if !version.isNull, version.value.stringValue != "1.0" { throw version.unsupported(["1.0"]) }
    let preTokenizer = try preTokenizer(root["pre_tokenizer"])
    let normalizer = try normalizer(root["normalizer"])
    let added = try addedTokens(root["added_tokens"], normalizer)
    let (vocabulary, model) = try model(
      root["model"],
      added: added,
      isByteLevel: preTokenizer.isByteLevel
    )
    var parts = TokenizerParts(vocabulary: vocabulary, model: model)
    parts.preTokenizer = preTokenizer
    parts.normalizer = normalizer
    parts.template = try template(root["post_processor"], vocabulary) ?? .plain
    parts.decoder = try decoder(root["decoder"], vocabulary)
    parts.bosID = boundary(parts.template.prefixIDs, ["<s>", "<bos>", "<|begin_of_text|>"], added)
    parts.eosID = boundary(
      parts.template.suffixIDs,
      ["</s>", "<eos>", "<|end_of_text|>", "<|endoftext|>"],
      added
    )
    return parts
  }

  /// The id of a boundary: from the template, else by its customary name.
  private func boundary(
    _ templateIDs: [Int32],
    _ names: [String],
    _ added: [AddedToken]
  ) -> Int32? {
    if templateIDs.count == 1, let id = templateIDs.first { return id }
    for name in names {
      if let token = added.first(where: { $0.isSpecial && $0.content == name }) { return token.id }
    }
    return nil
  }

  // MARK: - Added tokens

  private func addedTokens(
    _ field: TokenizerField,
    _ normalizer: TextNormalizer
  ) throws(TokenizerError) -> [AddedToken] {
    if field.isNull { return [] }
    var tokens: [AddedToken] = []
    for (index, value) in try field.array().enumerated() {
      let entry = TokenizerField(path: "\(field.path)[\(index)]", value: value)
      guard !(try entry["content"].shortBytes()).isEmpty else { continue }
      let content = try entry["content"].string()
      let isSpecial = try entry["special"].flag(default: false)
      let isNormalized = try entry["normalized"].flag(default: !isSpecial)
      tokens.append(
        AddedToken(
          id: try entry["id"].id(),
          content: content,
          normalizedContent: isNormalized ? normalizer.normalized(content) : nil,
          isSingleWord: try entry["single_word"].flag(default: false),
          stripsLeft: try entry["lstrip"].flag(default: false),
          stripsRight: try entry["rstrip"].flag(default: false),
          isSpecial: isSpecial
        )
      )
    }
    return tokens
  }

  /// The tokens and their ids in one vocabulary.
  func vocabulary(
    _ tokens: [(token: [UInt8], id: Int32)],
    added: [AddedToken],
    isByteLevel: Bool,
    path: String
  ) throws(TokenizerError) -> Vocabulary {
    let vocabulary = try Vocabulary(tokens, added: added, isByteLevel: isByteLevel, path: path)
    let limit = tokens.count + added.count + TokenizerLimits.idGap
    for token in added {
      guard Int(token.id) <= limit else {
        throw .limitExceeded(path: "added_tokens: largest id", limit: limit, found: Int(token.id))
      }
      let spelling = Array(token.content.utf8)
      guard let id = vocabulary.modelID(of: spelling), id != token.id else { continue }
      throw .invalidField(
        path: "added_tokens: id of \(token.content.quotedForMessage)",
        expected: "\(id) as in \(path)",
        found: "\(token.id)"
      )
    }
    return vocabulary
  }

  // MARK: - Lists of components

  /// The steps of a component: itself, or what its `Sequence` holds, to any depth.
  func steps(_ field: TokenizerField, listKey: String) throws(TokenizerError) -> [TokenizerField] {
    if field.isNull { return [] }
    guard field["type"].value.stringValue == "Sequence" else { return [field] }
    var result: [TokenizerField] = []
    for element in try field[listKey].elements() {
      result += try steps(element, listKey: listKey)
    }
    guard result.count <= TokenizerLimits.steps else {
      throw .limitExceeded(
        path: "\(field.path): number of steps",
        limit: TokenizerLimits.steps,
        found: result.count
      )
    }
    return result
  }
}
