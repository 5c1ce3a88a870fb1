import Checkpoints
import Transformer

/// A request for texts: what `/v1/completions` and `/v1/chat/completions` have in common.
struct CompletionRequest: Sendable {
  /// Which of the two.
  enum Form: Sendable {
    case text
    case chat
  }

  let form: Form
  let prompts: [[Int32]]
  /// The texts of each prompt.
  let choices: Int
  let options: GenerationOptions
  let stopTexts: [String]
  /// Whether the texts are sent as they come.
  let isStreamed: Bool
  /// Whether the last event of a stream counts the tokens.
  let includesUsage: Bool
  /// What each text begins with: its prompt, where the request wants it back.
  let beginnings: [String]

  /// Texts of one request, all prompts together.
  fileprivate static let textLimit = 128

  /// Reads a request.
  ///
  /// - Parameters:
  ///   - fields: its body.
  ///   - form: what it was sent to.
  ///   - model: the model that it names.
  ///   - seed: the seed where the request gives none.
  /// - Throws: `APIError` with the field.
  init(
    _ fields: RequestFields,
    _ form: Form,
    model: ServedModel,
    seed: UInt64
  ) throws(APIError) {
    try fields.check(known: Self.common.union(form == .chat ? Self.chat : Self.text))
    try Self.refuseUnsupported(fields)
    self.form = form
    prompts =
      switch form {
      case .chat: [try fields.conversation(for: model)]
      case .text: try fields.prompts(for: model)
      }
    choices = try fields.integer("n", in: 1...Self.textLimit) ?? 1
    guard prompts.count * choices <= Self.textLimit else {
      throw .invalid(
        "\(prompts.count) prompts and n = \(choices) are too many texts",
        parameter: "n"
      )
    }
    for prompt in prompts { try Self.check(prompt, form, model) }
    let longest = prompts.map(\.count).max() ?? 0
    options = GenerationOptions(
      maximumTokens: try Self.maximumTokens(fields, form) ?? model.contextLength - longest,
      sampling: try Self.sampling(fields, model, seed: seed),
      stopTokens: model.stopTokens,
      scoreCount: try Self.scoreCount(fields, form),
      scoresPrompt: try fields.flag("echo") ?? false
    )
    stopTexts = try fields.strings("stop", limit: 16) ?? []
    guard !stopTexts.contains("") else {
      throw .invalid("stop has an empty text", parameter: "stop")
    }
    isStreamed = try fields.flag("stream") ?? false
    includesUsage = try Self.includesUsage(fields)
    let echoes = try fields.flag("echo") ?? false
    beginnings = prompts.map { echoes ? model.tokenizer.decode($0) : "" }
  }

  private static let common: Set<String> = [
    "model", "n", "max_tokens", "temperature", "top_p", "top_k", "min_p", "repetition_penalty",
    "seed", "stop", "stream", "stream_options", "logprobs", "logit_bias", "frequency_penalty",
    "presence_penalty",
    // Of these nothing here depends.
    "user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key",
  ]
  private static let chat: Set<String> = [
    "messages", "max_completion_tokens", "chat_template_kwargs", "top_logprobs", "tools",
    "tool_choice", "parallel_tool_calls", "functions", "function_call", "response_format",
    "modalities", "audio", "prediction", "reasoning_effort", "verbosity", "web_search_options",
  ]
  private static let text: Set<String> = ["prompt", "echo", "suffix", "best_of"]

  private static func refuseUnsupported(_ fields: RequestFields) throws(APIError) {
    try fields.refuse(["tools", "functions"]) { $0.arrayValue?.isEmpty == true }
    try fields.refuse(["tool_choice", "function_call"]) { $0.stringValue == "none" }
    try fields.refuse(["response_format"]) { $0["type"]?.stringValue == "text" }
    try fields.refuse(["modalities"]) { $0.arrayValue?.compactMap(\.stringValue) == ["text"] }
    try fields.refuse(["suffix"]) { $0.stringValue == "" }
    try fields.refuse(["best_of"]) { $0.intValue == 1 }
    let others = ["audio", "prediction", "reasoning_effort", "verbosity", "web_search_options"]
    try fields.refuse(others) { _ in false }
  }

  private static func check(
    _ prompt: [Int32],
    _ form: Form,
    _ model: ServedModel
  ) throws(APIError) {
    let parameter = form == .chat ? "messages" : "prompt"
    guard !prompt.isEmpty else {
      throw .invalid("the prompt has no token; write something", parameter: parameter)
    }
    guard prompt.count < model.contextLength else {
      throw .invalid(
        "the prompt has \(prompt.count) tokens, and the context of '\(model.name)' room for "
          + "\(model.contextLength); shorten it",
        parameter: parameter,
        code: "context_length_exceeded"
      )
    }
  }

  private static func maximumTokens(
    _ fields: RequestFields,
    _ form: Form
  ) throws(APIError) -> Int? {
    // A prompt that comes back may be all that is wanted: for its scores.
    let least = try fields.flag("echo") ?? false ? 0 : 1
    let named = try fields.integer("max_tokens", in: least...Int.max)
    guard form == .chat else { return named ?? 16 }
    return try fields.integer("max_completion_tokens", in: 1...Int.max) ?? named
  }

  /// As the model's makers recommend, where the request does not say otherwise.
  private static func sampling(
    _ fields: RequestFields,
    _ model: ServedModel,
    seed: UInt64
  ) throws(APIError) -> SamplingOptions {
    var sampling = model.sampling
    if sampling.temperature == 0 { sampling.temperature = 1 }
    if let value = try fields.number("temperature", in: 0...100) { sampling.temperature = value }
    if let value = try fields.integer("top_k", in: 0...Int.max) {
      sampling.topK = value == 0 ? nil : value
    }
    if let value = try fields.number("top_p", in: 0...1) { sampling.topP = value }
    if let value = try fields.number("min_p", in: 0...1) { sampling.minP = value }
    if let value = try fields.number("repetition_penalty", in: 0.01...100) {
      sampling.repetitionPenalty = value
    }
    if let value = try fields.number("frequency_penalty", in: -2...2) {
      sampling.frequencyPenalty = value
    }
    if let value = try fields.number("presence_penalty", in: -2...2) {
      sampling.presencePenalty = value
    }
    sampling.logitBias = try logitBias(fields, model)
    let given = try fields.integer("seed", in: Int.min...Int.max)
    sampling.seed = given.map { UInt64(bitPattern: Int64($0)) } ?? seed
    return sampling
  }

  private static func logitBias(
    _ fields: RequestFields,
    _ model: ServedModel
  ) throws(APIError) -> [Int32: Float] {
    let name = "logit_bias"
    guard let value = fields[name] else { return [:] }
    guard let object = value.objectValue else {
      throw .invalid("\(name) is \(value.kind), not an object", parameter: name)
    }
    let count = model.tokenizer.vocabularyCount
    var biases: [Int32: Float] = [:]
    for (key, value) in object {
      guard let id = Int32(key), (0..<Int32(count)).contains(id) else {
        throw .invalid("\(name): '\(key)' is no token of 0 to \(count - 1)", parameter: name)
      }
      guard let bias = value.doubleValue, (-100...100).contains(bias) else {
        throw .invalid(
          "\(name): \(value) for token \(key); -100 to 100 is allowed",
          parameter: name
        )
      }
      biases[id] = Float(bias)
    }
    return biases
  }

  /// How many of the likeliest tokens are told beside those of the answer; nil tells of none.
  ///
  /// The older endpoint takes the number itself.
  private static func scoreCount(
    _ fields: RequestFields,
    _ form: Form
  ) throws(APIError) -> Int? {
    guard form == .chat else {
      if fields["logprobs"]?.boolValue == false { return nil }
      return try fields.integer("logprobs", in: 0...scoreLimit)
    }
    let name = "top_logprobs"
    let count = try fields.integer(name, in: 0...scoreLimit)
    if try fields.flag("logprobs") ?? false { return count ?? 0 }
    guard count ?? 0 == 0 else {
      throw .invalid("\(name) needs logprobs: true beside it", parameter: name)
    }
    return nil
  }

  private static let scoreLimit = 20

  private static func includesUsage(_ fields: RequestFields) throws(APIError) -> Bool {
    let name = "stream_options"
    guard let options = fields[name] else { return false }
    guard let object = options.objectValue else {
      throw .invalid("\(name) is \(options.kind), not an object", parameter: name)
    }
    if let unknown = object.keys.first(where: { $0 != "include_usage" }) {
      throw .invalid("\(name) has an unknown member '\(unknown)'", parameter: name)
    }
    guard let value = object["include_usage"], !value.isNull else { return false }
    guard let flag = value.boolValue else {
      throw .invalid("\(name).include_usage is \(value.kind), not a boolean", parameter: name)
    }
    return flag
  }
}

// MARK: - Prompts

extension RequestFields {
  /// The tokens of `prompt`: a text, several, tokens, or several lists of them.
  fileprivate func prompts(for model: ServedModel) throws(APIError) -> [[Int32]] {
    guard let value = self["prompt"] else {
      throw .invalid("you must provide a prompt", parameter: "prompt")
    }
    if let text = value.stringValue { return [try model.tokens(of: text, parameter: "prompt")] }
    guard let list = value.arrayValue, !list.isEmpty else {
      let found = value.arrayValue == nil ? value.kind : "an empty list"
      throw .invalid("prompt is \(found); a text or a list is expected", parameter: "prompt")
    }
    guard list.count <= CompletionRequest.textLimit || list[0].intValue != nil else {
      throw .invalid("\(list.count) prompts are too many texts", parameter: "prompt")
    }
    if list.allSatisfy({ $0.intValue != nil }) { return [try tokens(list, model)] }
    var prompts: [[Int32]] = []
    for entry in list {
      if let text = entry.stringValue {
        prompts.append(try model.tokens(of: text, parameter: "prompt"))
      } else if let list = entry.arrayValue {
        prompts.append(try tokens(list, model))
      } else {
        throw .invalid("prompt has \(entry.kind) among its entries", parameter: "prompt")
      }
    }
    return prompts
  }

  private func tokens(_ list: [JSONValue], _ model: ServedModel) throws(APIError) -> [Int32] {
    let count = model.tokenizer.vocabularyCount
    var tokens: [Int32] = []
    for entry in list {
      guard let id = entry.intValue, (0..<count).contains(id) else {
        throw .invalid("prompt: \(entry) is no token of 0 to \(count - 1)", parameter: "prompt")
      }
      tokens.append(Int32(id))
    }
    return tokens
  }

  /// The tokens of `messages`.
  fileprivate func conversation(for model: ServedModel) throws(APIError) -> [Int32] {
    let name = "messages"
    guard let value = self[name] else {
      throw .invalid("you must provide messages", parameter: name)
    }
    guard let list = value.arrayValue, !list.isEmpty else {
      let found = value.arrayValue == nil ? value.kind : "an empty list"
      throw .invalid("messages is \(found); a list of turns is expected", parameter: name)
    }
    var messages: [JSONValue] = []
    for (index, entry) in list.enumerated() {
      messages.append(try ChatTurn(entry, at: "messages[\(index)]").message)
    }
    var variables: [String: JSONValue] = [:]
    if let given = self["chat_template_kwargs"] {
      guard let object = given.objectValue else {
        let name = "chat_template_kwargs"
        throw .invalid("\(name) is \(given.kind), not an object", parameter: name)
      }
      let own = ["messages", "add_generation_prompt"]
      for (name, value) in object {
        guard !own.contains(name) else {
          let field = "chat_template_kwargs"
          throw .invalid("\(field): '\(name)' is set by the server", parameter: field)
        }
        variables[name] = value
      }
    }
    return try model.tokens(ofConversation: messages, variables: variables)
  }
}
