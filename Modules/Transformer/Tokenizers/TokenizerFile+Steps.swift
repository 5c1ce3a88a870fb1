import Checkpoints

extension TokenizerFile {
  // MARK: - Normalizer

  private static let normalizers = [
    "Sequence", "NFC", "NFD", "NFKC", "NFKD", "Prepend", "Replace", "Lowercase", "StripAccents",
    "Strip", "BertNormalizer",
  ]

  /// The normalizer; none when the field is null.
  func normalizer(_ field: TokenizerField) throws(TokenizerError) -> TextNormalizer {
    var normalizer = TextNormalizer()
    for step in try steps(field, listKey: "normalizers") {
      normalizer.steps.append(try normalizerStep(step))
    }
    return normalizer
  }

  private func normalizerStep(
    _ field: TokenizerField
  ) throws(TokenizerError) -> TextNormalizer.Step {
    let type = field["type"]
    let name = try type.string()
    if let form = UnicodeNormalizer.Form(rawValue: name) { return .form(form) }
    switch name {
    case "Prepend": return .prepend(try field["prepend"].shortBytes())
    case "Replace": return try replacement(field)
    case "Lowercase": return .lowercase
    case "StripAccents": return .stripAccents
    case "Strip":
      return .strip(
        left: try field["strip_left"].flag(default: true),
        right: try field["strip_right"].flag(default: true)
      )
    case "BertNormalizer": return .bert(try bertNormalizer(field))
    default: throw type.unsupported(TokenizerFile.normalizers)
    }
  }

  private func bertNormalizer(_ field: TokenizerField) throws(TokenizerError) -> BertNormalizer {
    let lowercases = try field["lowercase"].flag(default: true)
    return BertNormalizer(
      cleansText: try field["clean_text"].flag(default: true),
      separatesIdeographs: try field["handle_chinese_chars"].flag(default: true),
      stripsAccents: try field["strip_accents"].flag(default: lowercases),
      lowercases: lowercases
    )
  }

  private func replacement(_ field: TokenizerField) throws(TokenizerError) -> TextNormalizer.Step {
    let pattern = field["pattern"]
    let content = try field["content"].shortBytes()
    if pattern["Regex"].isNull {
      return .replace(try nonEmpty(pattern["String"]), with: content)
    }
    guard let (unit, minimum) = run(try pattern["Regex"].string()) else {
      throw pattern["Regex"].unsupported(["a character and {n,}", "a character and +"])
    }
    return .replaceRuns(of: unit, minimum: minimum, with: content)
  }

  private func nonEmpty(_ field: TokenizerField) throws(TokenizerError) -> [UInt8] {
    let bytes = try field.shortBytes()
    guard !bytes.isEmpty else { throw field.invalid("a string that is not empty") }
    return bytes
  }

  /// `c{n,}` or `c+` of a character that means itself.
  private func run(_ regex: String) -> (unit: [UInt8], minimum: Int)? {
    guard let scalar = regex.unicodeScalars.first,
      !#"\^$.|?*+()[]{}"#.unicodeScalars.contains(scalar)
    else { return nil }
    let rest = String(regex.unicodeScalars.dropFirst())
    let unit = Array(String(Character(scalar)).utf8)
    if rest == "+" { return (unit, 1) }
    guard rest.hasPrefix("{"), rest.hasSuffix(",}"),
      let minimum = Int(rest.dropFirst().dropLast(2)),
      minimum > 0
    else { return nil }
    return (unit, minimum)
  }

  // MARK: - Pre-tokenizer

  private static let preTokenizers = [
    "Sequence", "ByteLevel", "Split", "Digits", "Metaspace", "BertPreTokenizer",
    "WhitespaceSplit", "Punctuation",
  ]

  /// The pre-tokenizer; none when the field is null.
  func preTokenizer(_ field: TokenizerField) throws(TokenizerError) -> PreTokenizer {
    var result = PreTokenizer()
    for step in try steps(field, listKey: "pretokenizers") {
      if result.isByteLevel {
        throw .unsupported(
          path: step.path,
          name: "a step after ByteLevel",
          supported: ["ByteLevel as last step"]
        )
      }
      if step["type"].value.stringValue == "ByteLevel" {
        result.isByteLevel = true
        if try step["add_prefix_space"].flag(default: true) { result.steps.append(.prefixSpace) }
        if try step["use_regex"].flag(default: true) { result.steps.append(.pattern(.gpt2)) }
      } else {
        result.steps.append(try preTokenizerStep(step))
      }
    }
    return result
  }

  private func preTokenizerStep(
    _ field: TokenizerField
  ) throws(TokenizerError) -> PreTokenizer.Step {
    let type = field["type"]
    switch try type.string() {
    case "Split": return try split(field)
    case "Digits":
      return .digits(individually: try field["individual_digits"].flag(default: false))
    case "Metaspace": return try metaspace(field)
    case "BertPreTokenizer": return .bert
    case "WhitespaceSplit": return .whitespace
    case "Punctuation":
      let behavior = field["behavior"]
      return .punctuation(behavior.isNull ? .isolated : try behavior.choice())
    default: throw type.unsupported(TokenizerFile.preTokenizers)
    }
  }

  private func metaspace(_ field: TokenizerField) throws(TokenizerError) -> PreTokenizer.Step {
    .metaspace(
      replacement: Array(String(Character(try field["replacement"].scalar())).utf8),
      prefix: try prefixScheme(field),
      splits: try field["split"].flag(default: true)
    )
  }

  /// `prepend_scheme`, or the older `add_prefix_space`.
  private func prefixScheme(
    _ field: TokenizerField
  ) throws(TokenizerError) -> PreTokenizer.PrefixScheme {
    if !field["prepend_scheme"].isNull { return try field["prepend_scheme"].choice() }
    return try field["add_prefix_space"].flag(default: true) ? .always : .never
  }

  private func split(_ field: TokenizerField) throws(TokenizerError) -> PreTokenizer.Step {
    let behavior: PreTokenizer.DelimiterBehavior = try field["behavior"].choice()
    let isInverted = try field["invert"].flag(default: false)
    let regex = field["pattern"]["Regex"]
    if regex.isNull {
      if isInverted { throw field["invert"].unsupported(["false"]) }
      return .literal(try nonEmpty(field["pattern"]["String"]), behavior)
    }
    let text = try regex.string()
    guard let known = SplitPattern.known.first(where: { $0.regex == text }) else {
      throw regex.unsupported(SplitPattern.known.map(\.regex))
    }
    switch (behavior, isInverted) {
    case (.isolated, _), (.removed, true): return .pattern(known.pattern)
    default: throw field["behavior"].unsupported(["Isolated", "Removed with invert"])
    }
  }

  // MARK: - Decoder

  private static let decoders = [
    "Sequence", "ByteLevel", "Replace", "ByteFallback", "Fuse", "Strip", "Metaspace", "WordPiece",
  ]

  /// The decoder; tokens with spaces between them when the field is null.
  func decoder(
    _ field: TokenizerField,
    _ vocabulary: Vocabulary
  ) throws(TokenizerError) -> TokenDecoder {
    let steps = try steps(field, listKey: "decoders")
    guard let first = steps.first else { return field.isNull ? .spaced : .pieces(PieceDecoder()) }
    let isAlone = steps.count == 1
    switch try first["type"].string() {
    case "ByteLevel" where isAlone && vocabulary.isByteLevel:
      return .byteLevel
    case "Metaspace" where isAlone:
      return .metaspace(
        replacement: try first["replacement"].scalar(),
        keepsFirst: try prefixScheme(first) == .never
      )
    case "WordPiece" where isAlone:
      let prefix = first["prefix"]
      return .wordPiece(
        prefix: prefix.isNull ? "##" : try prefix.string(),
        cleansUp: try first["cleanup"].flag(default: true)
      )
    case "ByteLevel", "Metaspace", "WordPiece":
      throw .unsupported(
        path: first.path,
        name: "\(try first["type"].string()) in this place",
        supported: [
          "ByteLevel alone, after a ByteLevel pre_tokenizer", "Metaspace or WordPiece alone",
        ]
      )
    default:
      return .pieces(try pieceDecoder(steps))
    }
  }

  /// `Replace`s and `Strip`s, then `ByteFallback`, then `Fuse`, then a `Strip` of the start.
  private func pieceDecoder(_ steps: [TokenizerField]) throws(TokenizerError) -> PieceDecoder {
    var decoder = PieceDecoder()
    var isFused = false
    for step in steps {
      let type = step["type"]
      let name = try type.string()
      let isEarly = !decoder.joinsBytes && !isFused
      switch name {
      case "Replace" where isEarly: decoder.steps.append(try decoderReplacement(step))
      case "Strip" where isEarly:
        decoder.steps.append(
          .strip(
            try step["content"].scalar(),
            start: try step["start"].integer(in: 0...64),
            stop: try step["stop"].integer(in: 0...64)
          )
        )
      case "ByteFallback" where isEarly: decoder.joinsBytes = true
      case "Fuse" where !isFused: isFused = true
      case "Strip" where isFused && decoder.leading == nil:
        _ = try step["stop"].integer(in: 0...0)
        decoder.leading = (
          try step["content"].scalar(), try step["start"].integer(in: 0...64)
        )
      case _ where TokenizerFile.decoders.contains(name):
        throw .unsupported(
          path: step.path,
          name: "\(name) in this place",
          supported: ["Replace and Strip, then ByteFallback, then Fuse, then Strip"]
        )
      default: throw type.unsupported(TokenizerFile.decoders)
      }
    }
    return decoder
  }

  private func decoderReplacement(
    _ field: TokenizerField
  ) throws(TokenizerError) -> PieceDecoder.Step {
    let pattern = field["pattern"]
    if !pattern["Regex"].isNull { throw pattern["Regex"].unsupported(["a pattern of type String"]) }
    return .replace(
      try nonEmpty(pattern["String"]),
      with: try field["content"].shortBytes()
    )
  }
}
