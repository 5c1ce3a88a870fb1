public import Checkpoints
public import Foundation

/// A turn of a conversation.
public struct ChatMessage: Codable, Hashable, Sendable {
  /// Who speaks: `system`, `user` or `assistant`.
  public var role: String
  /// What is said.
  public var content: String

  /// A turn.
  public init(role: String, content: String) {
    self.role = role
    self.content = content
  }
}

/// Why a chat template cannot be read or rendered.
public struct ChatTemplateError: Error, Equatable, CustomStringConvertible {
  /// The line of the template, counted from 1; nil where no line is at fault.
  public let line: Int?
  /// What is wrong.
  public let reason: String

  /// The place and the reason.
  public var description: String {
    "chat template" + (line.map { ", line \($0)" } ?? "") + ": " + reason
  }
}

/// The text that a conversation becomes for a model, by the template that comes with it.
///
///     let template = try pretrained.chatTemplate()
///     let prompt = try template.render([ChatMessage(role: "user", content: "Hello!")])
///
/// Templates are Jinja programs. The subset that chat templates use is interpreted: no files, no
/// modules, no attributes of the host, and bounds on steps, depth and output, so that a template
/// out of a stranger's file can do no harm. What the subset lacks is refused by name when the template
/// is read.
public struct ChatTemplate: Sendable {
  /// The template's text.
  public let source: String
  private let body: [TemplateNode]

  /// Reads a template.
  ///
  /// - Throws: `ChatTemplateError` with the line.
  public init(_ source: String) throws(ChatTemplateError) {
    self.source = source
    guard source.utf8.count <= 1 << 20 else {
      throw ChatTemplateError(line: nil, reason: "it is longer than a megabyte")
    }
    var parser = TemplateParser(try TemplateLexer.tokens(of: source))
    body = try parser.template()
  }

  /// The text of a conversation.
  ///
  /// - Parameters:
  ///   - messages: the turns.
  ///   - addsGenerationPrompt: whether the text ends where the assistant begins to speak.
  ///   - variables: what else the template may ask for: `bos_token`, `enable_thinking`, `tools`.
  ///   - date: what `strftime_now` writes.
  ///   - timeZone: where the date is read.
  /// - Returns: the text, special tokens spelled out: encode it without adding any.
  /// - Throws: `ChatTemplateError`, also where the template raises one: roles in the wrong order.
  public func render(
    _ messages: [ChatMessage],
    addsGenerationPrompt: Bool = true,
    variables: [String: JSONValue] = [:],
    date: Date = Date(),
    timeZone: TimeZone = .current
  ) throws(ChatTemplateError) -> String {
    try render(
      messages.map { ["role": .string($0.role), "content": .string($0.content)] as JSONValue },
      addsGenerationPrompt: addsGenerationPrompt,
      variables: variables,
      date: date,
      timeZone: timeZone
    )
  }

  /// The text of a conversation whose turns hold more than a role and a text: calls of tools and
  /// their results, thoughts, or contents in parts.
  ///
  /// As in the transformers library, thoughts are known by each of the names `reasoning_content`
  /// and `thinking`, whichever of these or `reasoning` a turn has them under.
  ///
  /// - Parameters:
  ///   - messages: the turns, which are objects.
  ///   - addsGenerationPrompt: whether the text ends where the assistant begins to speak.
  ///   - variables: what else the template may ask for; `tools` and `documents` are null if they
  ///     are not given.
  ///   - date: what `strftime_now` writes.
  ///   - timeZone: where the date is read.
  /// - Returns: the text, special tokens spelled out: encode it without adding any.
  /// - Throws: `ChatTemplateError`, also where the template raises one: roles in the wrong order.
  public func render(
    _ messages: [JSONValue],
    addsGenerationPrompt: Bool = true,
    variables: [String: JSONValue] = [:],
    date: Date = Date(),
    timeZone: TimeZone = .current
  ) throws(ChatTemplateError) -> String {
    var names = variables.mapValues { TemplateValue($0) }
    for name in ["tools", "documents"] where names[name] == nil { names[name] = TemplateValue.none }
    var turns: [TemplateValue] = []
    for message in messages {
      guard let message = message.objectValue else {
        throw ChatTemplateError(line: nil, reason: "a message is \(message.kind), not an object")
      }
      turns.append(TemplateValue(.object(Self.namingThoughts(message))))
    }
    names["messages"] = .list(turns)
    names["add_generation_prompt"] = .bool(addsGenerationPrompt)
    var interpreter = TemplateInterpreter(
      names,
      date: TemplateDate(date, timeZone: timeZone)
    )
    return try interpreter.run(body)
  }

  /// The message with its thoughts under each name that templates ask for.
  private static func namingThoughts(_ message: JSONObject) -> JSONObject {
    let thoughts = ["reasoning_content", "thinking", "reasoning"].lazy
      .compactMap { message[$0] }
      .first { !$0.isNull }
    guard let thoughts else { return message }
    var named = JSONObject([("thinking", thoughts)])
    for (key, value) in message { named[key] = value }
    named["reasoning_content"] = thoughts
    return named
  }
}

extension PretrainedModel {
  /// The template that came with the model: `chat_template.jinja`, or the entry of
  /// tokenizer_config.json; nil if there is none.
  ///
  /// - Throws: `ChatTemplateError` if it cannot be read.
  public func chatTemplate() throws -> ChatTemplate? {
    try chatTemplateText.map { try ChatTemplate($0) }
  }

  /// The text of the template.
  var chatTemplateText: String? {
    if let file = storedDocuments.present["chat_template.jinja"] {
      return String(decoding: file, as: UTF8.self)
    }
    guard let entry = tokenizerSettings?["chat_template"] else { return nil }
    if let text = entry.stringValue { return text }
    // Several templates by name; the default one is for plain conversations.
    let named = entry.arrayValue?.first { $0["name"]?.stringValue == "default" }
    return named?["template"]?.stringValue
  }

  /// The special tokens by the names that chat templates have for them: `bos_token` and its like.
  public var templateVariables: [String: JSONValue] {
    var variables: [String: JSONValue] = [:]
    for key in ["bos_token", "eos_token", "unk_token", "pad_token"] {
      // A token is a text, or an object with the text inside.
      guard let token = tokenizerSettings?[key] else { continue }
      if let text = token.stringValue ?? token["content"]?.stringValue {
        variables[key] = .string(text)
      }
    }
    return variables
  }

  private var tokenizerSettings: JSONObject? {
    storedDocuments.present["tokenizer_config.json"].flatMap { data in
      try? JSONValue.parse(String(decoding: data, as: UTF8.self)).objectValue
    }
  }
}
