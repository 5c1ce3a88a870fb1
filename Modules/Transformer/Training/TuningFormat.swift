public import Checkpoints
public import Foundation

/// How conversations and pairs of prompt and response become tokens, of which the loss counts the
/// replies.
///
/// A conversation is rendered by the model's chat template and encoded as one text, so that its tokens
/// are those of use. The tokens of a reply begin where the tokens of the text up to it, with the
/// opening of the assistant's turn, end; and a reply ends with the token that ends its turn, which the
/// model must learn to write, not with what the template puts behind it.
///
/// The borders are exact: where the text up to a border has as its tokens a beginning of all tokens,
/// which is so wherever a special token or a change of the kind of characters stands, nothing else is
/// asked. Where a token reaches across the start of a reply it belongs to the prompt. Templates that
/// change earlier turns when later ones come (that leave thoughts out) are followed as far as they
/// keep the text before a reply; the reply then ends with the next token that ends a turn.
public struct TuningFormat: Sendable {
  /// What makes the tokens.
  public let tokenizer: Tokenizer
  /// The chat template; nil for a model that continues texts.
  public var template: ChatTemplate?
  /// What else the template may ask for: `bos_token` and its like.
  public var variables: [String: JSONValue]
  /// The ids that end a turn or a text.
  public var endTokens: Set<Int32>
  /// T, the most positions that the model reads of an example; longer ones lose their ends.
  public var maximumLength: Int
  /// What a template writes that asks for the date: always the same, so that a run can go on on
  /// another day.
  public var date = Date(timeIntervalSince1970: 1_721_952_000)

  /// The format of a model.
  ///
  /// - Parameters:
  ///   - pretrained: whose tokenizer, chat template and stop ids are used.
  ///   - maximumLength: T.
  /// - Throws: `ModelError` without a tokenizer, `ChatTemplateError` if the template cannot be read.
  public init(_ pretrained: PretrainedModel, maximumLength: Int) throws {
    self.init(
      tokenizer: try pretrained.requireTokenizer(),
      template: try pretrained.chatTemplate(),
      variables: pretrained.templateVariables,
      endTokens: pretrained.stopTokens,
      maximumLength: maximumLength
    )
  }

  /// A format of given parts; the tokenizer's end-of-sequence id ends turns too.
  public init(
    tokenizer: Tokenizer,
    template: ChatTemplate? = nil,
    variables: [String: JSONValue] = [:],
    endTokens: Set<Int32> = [],
    maximumLength: Int
  ) {
    self.tokenizer = tokenizer
    self.template = template
    self.variables = variables
    self.endTokens = endTokens.union(tokenizer.eosID.map { [$0] } ?? [])
    self.maximumLength = maximumLength
  }
}

// MARK: - Pairs

extension TuningFormat {
  /// A prompt and the response to it: a turn of the user and one of the assistant where there is a
  /// chat template, else the one text behind the other, with the end-of-sequence id behind both.
  ///
  /// - Throws: `TuningDataError.example`.
  public func example(
    prompt: String,
    response: String
  ) throws(TuningDataError) -> TuningExample {
    guard template == nil else {
      return try example(messages: [
        ["role": "user", "content": .string(prompt)],
        ["role": "assistant", "content": .string(response)],
      ])
    }
    guard let end = tokenizer.eosID ?? endTokens.min() else {
      throw .example(reason: "the tokenizer has no id that ends a text, so a response has no end")
    }
    let text = prompt + response
    let ids = tokenizer.encode(text, addSpecialTokens: false)
    let start = TokenBorders(tokenizer, ids).end(of: prompt).reached
    let opening = tokenizer.template.prefixIDs
    let isTarget = (0..<opening.count + ids.count + 1).map { $0 >= opening.count + start }
    return TuningExample(tokens: opening + ids + [end], isTarget: isTarget)
  }

  /// An instruction with an input, which may be empty, and the output.
  ///
  /// With a chat template the user says the instruction and, below an empty line, the input. Without
  /// one the prompt is that of Stanford Alpaca.
  ///
  /// - Throws: `TuningDataError.example`.
  public func example(
    instruction: String,
    input: String,
    output: String
  ) throws(TuningDataError) -> TuningExample {
    guard template == nil else {
      return try example(
        prompt: instruction + (input.isEmpty ? "" : "\n\n" + input),
        response: output
      )
    }
    let task = "Below is an instruction that describes a task"
    let request = "Write a response that appropriately completes the request."
    let prompt =
      input.isEmpty
      ? "\(task). \(request)\n\n### Instruction:\n\(instruction)\n\n### Response:\n"
      : "\(task), paired with an input that provides further context. \(request)\n\n"
        + "### Instruction:\n\(instruction)\n\n### Input:\n\(input)\n\n### Response:\n"
    return try example(prompt: prompt, response: output)
  }
}

// MARK: - Conversations

extension TuningFormat {
  /// A conversation: the loss counts what the assistant says.
  ///
  /// - Throws: `TuningDataError.example`, also for what the template refuses.
  public func example(messages: [ChatMessage]) throws(TuningDataError) -> TuningExample {
    try example(
      messages: messages.map { ["role": .string($0.role), "content": .string($0.content)] }
    )
  }

  /// A conversation whose turns may hold more than a role and a text.
  ///
  /// - Throws: `TuningDataError.example`, also for what the template refuses.
  public func example(messages: [JSONValue]) throws(TuningDataError) -> TuningExample {
    guard let template else {
      throw .example(
        reason: "the model has no chat template: give objects with \"prompt\" and \"response\""
      )
    }
    let replies = messages.indices.filter { messages[$0]["role"]?.stringValue == "assistant" }
    guard let first = replies.first else {
      throw .example(reason: "no message has the role \"assistant\", so there is nothing to learn")
    }
    guard first > 0 else {
      throw .example(reason: "it begins with a reply; let a message of a user come first")
    }
    let conversation = RenderedConversation(format: self, template: template, messages: messages)
    let text = try conversation.text(messages.count, opensReply: false)
    let ids = tokenizer.encode(text, addSpecialTokens: false)
    var isTarget = [Bool](repeating: false, count: ids.count)
    for reply in replies {
      for index in try conversation.span(of: reply, in: text, ids) { isTarget[index] = true }
    }
    return TuningExample(tokens: ids, isTarget: isTarget)
  }
}

/// A conversation and the texts of its beginnings.
private struct RenderedConversation {
  let format: TuningFormat
  let template: ChatTemplate
  let messages: [JSONValue]

  /// The text of the first messages.
  func text(_ count: Int, opensReply: Bool) throws(TuningDataError) -> String {
    do throws(ChatTemplateError) {
      return try template.render(
        Array(messages[..<count]),
        addsGenerationPrompt: opensReply,
        variables: format.variables,
        date: format.date,
        timeZone: .gmt
      )
    } catch {
      throw .example(reason: "\(error)")
    }
  }

  /// The tokens of a reply among those of the whole text, the one that ends its turn included.
  func span(
    of reply: Int,
    in text: String,
    _ ids: [Int32]
  ) throws(TuningDataError) -> Range<Int> {
    let borders = TokenBorders(format.tokenizer, ids)
    let start = try start(of: reply, in: text, borders)
    let after = try self.text(reply + 1, opensReply: false)
    let ends = format.endTokens
    if text.isBegun(by: after) {
      let last = reply + 1 == messages.count ? ids.count : borders.end(of: after).inside
      let end = ids[Swift.min(start, last)..<last].lastIndex(where: ends.contains)
      return start..<Swift.max(start, end.map { $0 + 1 } ?? last)
    }
    guard let end = ids[start...].firstIndex(where: ends.contains) else {
      throw .example(
        reason: "message \(reply + 1): the chat template changes the turn when others follow, and "
          + "no token ends it; split the conversation so that this reply is the last"
      )
    }
    return start..<end + 1
  }

  private func start(
    of reply: Int,
    in text: String,
    _ borders: TokenBorders
  ) throws(TuningDataError) -> Int {
    let before = try self.text(reply, opensReply: true)
    if text.isBegun(by: before) { return borders.end(of: before).reached }
    // The opening of a new reply may differ from that of a finished one, by the start of thoughts.
    let history = try self.text(reply, opensReply: false)
    guard text.isBegun(by: history) else {
      throw .example(
        reason: "message \(reply + 1): the chat template changes what came before the reply when "
          + "others follow; split the conversation so that this reply is the last"
      )
    }
    return Swift.max(borders.end(of: history).reached, borders.common(with: before))
  }
}

extension String {
  /// Whether the bytes begin with those of another text.
  fileprivate func isBegun(by other: String) -> Bool { utf8.starts(with: other.utf8) }
}

/// Finds where beginnings of a text end among its tokens.
private struct TokenBorders {
  let tokenizer: Tokenizer
  let ids: [Int32]

  init(_ tokenizer: Tokenizer, _ ids: [Int32]) { (self.tokenizer, self.ids) = (tokenizer, ids) }

  /// How many tokens the whole text and a beginning have in common.
  func common(with prefix: String) -> Int {
    let own = tokenizer.encode(prefix, addSpecialTokens: false)
    return zip(own, ids).prefix { $0 == $1 }.count
  }

  /// How many tokens lie inside a beginning of the text, and how many reach its end: one more where
  /// a token lies across.
  func end(of prefix: String) -> (inside: Int, reached: Int) {
    let own = tokenizer.encode(prefix, addSpecialTokens: false)
    let common = zip(own, ids).prefix { $0 == $1 }.count
    guard common < own.count else { return (common, common) }
    // The tokens at the end are others than in the whole text: count the bytes that they stand for.
    let length = tokenizer.decode(own, skipSpecialTokens: false).utf8.count
    var decoder = tokenizer.makeStreamDecoder(skipSpecialTokens: false)
    var (bytes, inside) = (0, common)
    for (index, id) in ids.enumerated() {
      bytes += decoder.append(id).utf8.count
      if bytes <= length { inside = Swift.max(inside, index + 1) }
      if bytes >= length, index >= common { return (inside, index + 1) }
    }
    return (inside, ids.count)
  }
}
