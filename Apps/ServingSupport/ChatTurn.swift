import Checkpoints

/// A turn of a conversation.
struct ChatTurn: Sendable {
  /// What templates get of it: a role that they know, and texts in one piece.
  ///
  /// Some of them ask whether a field is there, so none is that is null.
  let message: JSONValue

  private static let roles = ["system", "developer", "user", "assistant", "tool"]
  private static let texts = ["name", "tool_call_id", "reasoning_content", "reasoning", "thinking"]
  private static let unsupported = ["tool_calls", "function_call", "audio", "refusal"]
  /// Of these nothing here depends.
  private static let ignored = ["annotations"]
  private static let known: Set<String> = Set(
    ["role", "content"] + texts + unsupported + ignored
  )

  /// Reads a turn.
  ///
  /// - Parameters:
  ///   - value: what the request has.
  ///   - place: where it has it, for errors.
  /// - Throws: `APIError` with the field.
  init(_ value: JSONValue, at place: String) throws(APIError) {
    guard let fields = value.objectValue else {
      throw .invalid("\(place) is \(value.kind), not an object", parameter: place)
    }
    try Self.check(fields, place)
    var message: JSONObject = ["role": .string(try Self.role(fields, place))]
    for name in Self.texts {
      guard let value = fields[name], !value.isNull else { continue }
      guard value.stringValue != nil else {
        let field = "\(place).\(name)"
        throw .invalid("\(field) is \(value.kind); a string is expected", parameter: field)
      }
      message[name] = value
    }
    message["content"] = .string(try Self.content(fields["content"], place + ".content"))
    self.message = .object(message)
  }

  /// Refuses names that nobody reads, and what would have to stand in the prompt and cannot.
  private static func check(_ fields: JSONObject, _ place: String) throws(APIError) {
    for name in fields.keys where !known.contains(name) {
      let field = "\(place).\(name)"
      throw .invalid("unrecognized request argument supplied: \(field)", parameter: field)
    }
    for name in unsupported {
      guard let value = fields[name], !value.isNull else { continue }
      guard value.arrayValue?.isEmpty == true || value.stringValue == "" else {
        throw .unsupported("\(place).\(name)")
      }
    }
  }

  private static func role(_ fields: JSONObject, _ place: String) throws(APIError) -> String {
    guard let role = fields["role"]?.stringValue else {
      throw .invalid("\(place) has no role", parameter: place + ".role")
    }
    guard roles.contains(role) else {
      throw .invalid(
        "\(place): the role '\(role)' is none of \(roles.joined(separator: ", "))",
        parameter: place + ".role"
      )
    }
    return role == "developer" ? "system" : role
  }

  private static func content(_ value: JSONValue?, _ place: String) throws(APIError) -> String {
    guard let value, !value.isNull else {
      throw .invalid("\(place) is missing; a text or parts are expected", parameter: place)
    }
    if let text = value.stringValue { return text }
    guard let parts = value.arrayValue, !parts.isEmpty else {
      let found = value.arrayValue == nil ? value.kind : "an empty list"
      throw .invalid("\(place) is \(found); a text or parts are expected", parameter: place)
    }
    var text = ""
    for (index, part) in parts.enumerated() {
      guard part["type"]?.stringValue == "text", let piece = part["text"]?.stringValue else {
        throw .invalid(
          "\(place)[\(index)] is no text; the model reads nothing else",
          parameter: "\(place)[\(index)]"
        )
      }
      text += piece
    }
    return text
  }
}
