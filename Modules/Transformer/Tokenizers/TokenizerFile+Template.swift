import Checkpoints

extension TokenizerFile {
  private static let processors = [
    "Sequence", "ByteLevel", "TemplateProcessing", "BertProcessing", "RobertaProcessing",
  ]

  /// The template of the post-processor, nil when it adds nothing.
  func template(
    _ field: TokenizerField,
    _ vocabulary: Vocabulary
  ) throws(TokenizerError) -> TokenTemplate? {
    var result: TokenTemplate?
    for step in try steps(field, listKey: "processors") {
      guard let template = try oneTemplate(step, vocabulary) else { continue }
      if result != nil {
        throw .unsupported(
          path: step.path,
          name: "a second template",
          supported: ["one template"]
        )
      }
      result = template
    }
    return result
  }

  private func oneTemplate(
    _ field: TokenizerField,
    _ vocabulary: Vocabulary
  ) throws(TokenizerError) -> TokenTemplate? {
    let type = field["type"]
    switch try type.string() {
    case "ByteLevel":
      return nil  // changes offsets only
    case "TemplateProcessing":
      let special = try specialTokens(field["special_tokens"], vocabulary)
      return TokenTemplate(
        single: try parts(field["single"], special, isPair: false),
        pair: try parts(field["pair"], special, isPair: true)
      )
    case "BertProcessing":
      let (start, end) = try boundaries(field, vocabulary)
      return TokenTemplate(
        single: [.special(start, typeID: 0), .first(typeID: 0), .special(end, typeID: 0)],
        pair: [
          .special(start, typeID: 0), .first(typeID: 0), .special(end, typeID: 0),
          .second(typeID: 1), .special(end, typeID: 1),
        ]
      )
    case "RobertaProcessing":
      let (start, end) = try boundaries(field, vocabulary)
      return TokenTemplate(
        single: [.special(start, typeID: 0), .first(typeID: 0), .special(end, typeID: 0)],
        pair: [
          .special(start, typeID: 0), .first(typeID: 0), .special(end + end, typeID: 0),
          .second(typeID: 0), .special(end, typeID: 0),
        ]
      )
    default: throw type.unsupported(TokenizerFile.processors)
    }
  }

  /// `cls` and `sep`, each as [token, id].
  private func boundaries(
    _ field: TokenizerField,
    _ vocabulary: Vocabulary
  ) throws(TokenizerError) -> (start: [Int32], end: [Int32]) {
    func id(_ field: TokenizerField) throws(TokenizerError) -> Int32 {
      let pair = try field.elements()
      guard pair.count == 2 else { throw field.invalid("[token, id]") }
      return try known(pair[1], vocabulary)
    }
    return ([try id(field["cls"])], [try id(field["sep"])])
  }

  private func known(
    _ field: TokenizerField,
    _ vocabulary: Vocabulary
  ) throws(TokenizerError) -> Int32 {
    let id = try field.id()
    guard vocabulary.spelling(of: id) != nil else {
      throw .unknownToken(path: field.path, token: "\(id)")
    }
    return id
  }

  private func specialTokens(
    _ field: TokenizerField,
    _ vocabulary: Vocabulary
  ) throws(TokenizerError) -> [String: [Int32]] {
    var result: [String: [Int32]] = [:]
    if field.isNull { return result }
    for (name, value) in try field.object() {
      let entry = TokenizerField(path: "\(field.path).\(name.shortened)", value: value)
      var ids: [Int32] = []
      for id in try entry["ids"].elements() { ids.append(try known(id, vocabulary)) }
      result[name] = ids
    }
    return result
  }

  private func parts(
    _ field: TokenizerField,
    _ special: [String: [Int32]],
    isPair: Bool
  ) throws(TokenizerError) -> [TokenTemplate.Part] {
    var parts: [TokenTemplate.Part] = []
    for element in try field.elements() {
      let token = element["SpecialToken"]
      let body = token.isNull ? element["Sequence"] : token
      let typeID = body["type_id"].isNull ? 0 : try body["type_id"].id()
      let name = try body["id"].string()
      if !token.isNull {
        guard let ids = special[name] else {
          throw .unknownToken(path: token.path, token: name.shortened)
        }
        parts.append(.special(ids, typeID: typeID))
      } else {
        guard name == "A" || (isPair && name == "B") else {
          throw body["id"].invalid(isPair ? "A or B" : "A")
        }
        parts.append(name == "A" ? .first(typeID: typeID) : .second(typeID: typeID))
      }
    }
    return parts
  }
}
