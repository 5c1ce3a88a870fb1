public import Checkpoints

extension TokenizerMetadata {
  /// The tokenizer.json that says the same, for folders that leave the model file behind.
  ///
  /// Scores become a list of merges: every cut of a token into two tokens, the highest score first.
  /// Where two merges share a score, a reader of the list takes them in the order of their ids
  /// instead of from left to right, as the transformers library's own conversion does.
  ///
  /// - Throws: `TokenizerError` if a token is not UTF-8 (JSON cannot hold it) or the kind is unknown.
  public func document() throws(TokenizerError) -> JSONObject {
    let texts = try tokenTexts()
    return switch model {
    case "gpt2": byteLevelDocument(texts, merges: try mergeTexts(), split: try split())
    case "llama": pieceDocument(texts)
    case "bert": try wordPieceDocument(texts)
    default:
      throw .unsupported(
        path: "tokenizer.ggml.model",
        name: model,
        supported: ["gpt2", "llama", "bert"]
      )
    }
  }

  private func tokenTexts() throws(TokenizerError) -> [String] {
    var texts: [String] = []
    texts.reserveCapacity(tokens.count)
    for (id, token) in tokens.enumerated() {
      guard let text = String(validating: token, as: UTF8.self) else {
        throw .invalidField(
          path: "tokenizer.ggml.tokens[\(id)]",
          expected: "UTF-8, as JSON needs it",
          found: "other bytes"
        )
      }
      texts.append(text)
    }
    return texts
  }

  private func mergeTexts() throws(TokenizerError) -> [JSONValue] {
    var pairs: [JSONValue] = []
    pairs.reserveCapacity(merges.count)
    for (index, merge) in merges.enumerated() {
      // The first space parts the two; a byte-level token holds none.
      let parts = merge.split(separator: 0x20, maxSplits: 1, omittingEmptySubsequences: false)
      let texts = parts.compactMap { String(validating: $0, as: UTF8.self) }
      guard texts.count == 2 else {
        throw .invalidField(
          path: "tokenizer.ggml.merges[\(index)]",
          expected: "two tokens with a space between",
          found: "other bytes"
        )
      }
      pairs.append(.array(texts.map { .string($0) }))
    }
    return pairs
  }

  private func document(
    _ texts: [String],
    normalizer: JSONValue,
    preTokenizer: JSONValue,
    decoder: JSONValue,
    model: JSONObject
  ) -> JSONObject {
    [
      "version": "1.0", "truncation": nil, "padding": nil,
      "added_tokens": .array(addedTokens(texts)), "normalizer": normalizer,
      "pre_tokenizer": preTokenizer, "post_processor": postProcessor(texts), "decoder": decoder,
      "model": .object(model),
    ]
  }

  private func addedTokens(_ texts: [String]) -> [JSONValue] {
    guard let tokenTypes else { return [] }
    return tokenTypes.indices.compactMap { id in
      let type = TokenType(rawValue: tokenTypes[id])
      guard type == .control || type == .unknown || type == .userDefined, !texts[id].isEmpty else {
        return nil
      }
      return [
        "id": .integer(Int64(id)), "content": .string(texts[id]), "single_word": false,
        "lstrip": false, "rstrip": false, "normalized": false,
        "special": .bool(type != .userDefined),
      ]
    }
  }

  private var isLlama3: Bool { pre.flatMap { BytePairSplit(name: $0) } == .llama3 }

  /// What opens and ends a text.
  private func postProcessor(_ texts: [String]) -> JSONValue {
    let addsFirst = addsBOS ?? (model == "llama" || isLlama3)
    let first = addsFirst ? bosID : nil
    let last = addsEOS ?? false ? eosID : nil
    let specials = [first, last].compactMap { $0 }.filter { texts.indices.contains(Int($0)) }
    guard !specials.isEmpty else { return nil }
    func special(_ id: Int32?, type: Int64) -> [JSONValue] {
      guard let id, specials.contains(id) else { return [] }
      return [["SpecialToken": ["id": .string(texts[Int(id)]), "type_id": .integer(type)]]]
    }
    func around(_ name: String, type: Int64) -> [JSONValue] {
      special(first, type: type)
        + [["Sequence": ["id": .string(name), "type_id": .integer(type)]]]
        + special(last, type: type)
    }
    var table = JSONObject()
    for id in specials {
      let text = texts[Int(id)]
      table[text] = [
        "id": .string(text), "ids": [.integer(Int64(id))], "tokens": [.string(text)],
      ]
    }
    return [
      "type": "TemplateProcessing", "single": .array(around("A", type: 0)),
      "pair": .array(around("A", type: 0) + around("B", type: 1)),
      "special_tokens": .object(table),
    ]
  }

  private func vocabulary(_ texts: [String]) -> JSONObject {
    JSONObject(texts.enumerated().map { ($1, .integer(Int64($0))) })
  }

  private func bytePairModel(
    _ texts: [String],
    merges: [JSONValue],
    unknown: String?,
    hasByteFallback: Bool
  ) -> JSONObject {
    [
      "type": "BPE", "dropout": nil, "unk_token": unknown.map { .string($0) } ?? nil,
      "continuing_subword_prefix": nil, "end_of_word_suffix": nil,
      "fuse_unk": .bool(hasByteFallback), "byte_fallback": .bool(hasByteFallback),
      "ignore_merges": .bool(isLlama3), "vocab": .object(vocabulary(texts)),
      "merges": .array(merges),
    ]
  }

  // MARK: - gpt2

  private func byteLevelDocument(
    _ texts: [String],
    merges: [JSONValue],
    split: BytePairSplit
  ) -> JSONObject {
    document(
      texts,
      normalizer: split == .qwen2 ? ["type": "NFC"] : nil,
      preTokenizer: ["type": "Sequence", "pretokenizers": .array(split.pattern.documentSteps)],
      decoder: PreTokenPattern.byteLevel(usingPattern: true),
      model: bytePairModel(texts, merges: merges, unknown: nil, hasByteFallback: false)
    )
  }

  // MARK: - bert

  /// WordPiece: files mark the first piece of a word by ▁ and leave the others bare, the other way
  /// round from the vocabularies that they were made from; tokens in brackets stay as they are.
  private func wordPieceDocument(_ texts: [String]) throws(TokenizerError) -> JSONObject {
    let mark = "▁"
    let isCased = texts.contains { text in
      text.hasPrefix(mark) && text.dropFirst().first.map { ("A"..."Z").contains($0) } == true
    }
    let tokens = texts.map { text in
      if text.hasPrefix(mark) { return String(text.dropFirst()) }
      return text.hasPrefix("[") && text.hasSuffix("]") ? text : "##" + text
    }
    func required(_ name: String) throws(TokenizerError) -> Int32 {
      guard let id = tokens.firstIndex(of: name) else {
        throw .missingField(path: "tokenizer.ggml.tokens: \(name)")
      }
      return Int32(id)
    }
    var framed = self
    framed.bosID = try required("[CLS]")
    framed.eosID = try required("[SEP]")
    framed.addsBOS = addsBOS ?? true
    framed.addsEOS = addsEOS ?? true
    _ = try required("[UNK]")
    return framed.document(
      tokens,
      normalizer: [
        "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
        "strip_accents": nil, "lowercase": .bool(!isCased),
      ],
      preTokenizer: ["type": "BertPreTokenizer"],
      decoder: ["type": "WordPiece", "prefix": "##", "cleanup": true],
      model: [
        "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100, "vocab": .object(vocabulary(tokens)),
      ]
    )
  }

  // MARK: - llama

  private func pieceDocument(_ texts: [String]) -> JSONObject {
    let mark = "▁"
    let addsSpace = addsSpacePrefix ?? true
    var normalizers: [JSONValue] = [
      ["type": "Replace", "pattern": ["String": " "], "content": .string(mark)]
    ]
    var decoders: [JSONValue] = [
      ["type": "Replace", "pattern": ["String": .string(mark)], "content": " "],
      ["type": "ByteFallback"], ["type": "Fuse"],
    ]
    if addsSpace {
      normalizers.insert(["type": "Prepend", "prepend": .string(mark)], at: 0)
      decoders.append(["type": "Strip", "content": " ", "start": 1, "stop": 0])
    }
    let unknownType = TokenType.unknown.rawValue
    let unknown = unknownID.map { Int($0) } ?? tokenTypes?.firstIndex(of: unknownType)
    return document(
      texts,
      normalizer: ["type": "Sequence", "normalizers": .array(normalizers)],
      preTokenizer: nil,
      decoder: ["type": "Sequence", "decoders": .array(decoders)],
      model: bytePairModel(
        texts,
        merges: scoredMerges(texts),
        unknown: unknown.flatMap { texts.indices.contains($0) ? texts[$0] : nil },
        hasByteFallback: true
      )
    )
  }

  /// Every cut of a piece into two pieces, by falling score, then by the ids of the parts.
  private func scoredMerges(_ texts: [String]) -> [JSONValue] {
    // By bytes: as strings, canonically equivalent tokens would be one.
    var ids: [[UInt8]: Int] = [:]
    for (id, text) in texts.enumerated() where isPiece(id) { ids[Array(text.utf8)] = id }
    var merges: [(score: Float, left: Int, right: Int)] = []
    for (id, text) in texts.enumerated() where isPiece(id) {
      let scalars = text.unicodeScalars
      for cut in scalars.indices.dropFirst() {
        guard let left = ids[Array(text[..<cut].utf8)], let right = ids[Array(text[cut...].utf8)]
        else { continue }
        let score = scores.map { $0.indices.contains(id) ? $0[id] : 0 } ?? 0
        merges.append((score, left, right))
      }
    }
    merges.sort { ($1.score, $0.left, $0.right) < ($0.score, $1.left, $1.right) }
    return merges.map { [.string(texts[$0.left]), .string(texts[$0.right])] }
  }

  private func isPiece(_ id: Int) -> Bool {
    guard let tokenTypes, tokenTypes.indices.contains(id) else { return true }
    let type = TokenType(rawValue: tokenTypes[id])
    return type == .normal || type == .userDefined || type == .unused
  }
}
