public import Checkpoints

/// A conversation with a model: it keeps what was said, and the keys and values of what was read.
///
///     let chat = try ChatSession(pretrained, model: model, system: "Answer briefly.")
///     let answer = try chat.reply(to: "What is the capital of France?") { print($0, terminator: "") }
///
/// Each turn renders the whole conversation through the model's chat template; only the tokens behind
/// the part that was read before go through the model again.
public final class ChatSession {
  /// The turns so far.
  public private(set) var messages: [ChatMessage] = []
  /// How replies are written; the model's stop ids end them.
  public var options: GenerationOptions
  /// Texts that end a reply besides.
  public var stopTexts: [String] = []
  /// Asked before each token whether to break off the reply.
  public var shouldStop: () -> Bool = { false }

  private let model: DecoderModel
  private let tokenizer: Tokenizer
  private let template: ChatTemplate
  private let variables: [String: JSONValue]
  private let cache: KeyValueCache
  /// The tokens whose keys and values are in the cache.
  private var cached: [Int32] = []

  /// A conversation that has not begun.
  ///
  /// - Parameters:
  ///   - pretrained: whose tokenizer, chat template and stop ids are used.
  ///   - model: what speaks.
  ///   - system: what the model is told beforehand.
  ///   - options: how replies are written; the stop ids of `pretrained` are added.
  ///   - variables: what else the template may ask for, `enable_thinking` for example.
  /// - Throws: `ChatTemplateError` if the model has no template, or none that can be read;
  ///   `ModelError` without a tokenizer.
  public init(
    _ pretrained: PretrainedModel,
    model: DecoderModel,
    system: String? = nil,
    options: GenerationOptions = GenerationOptions(maximumTokens: 512),
    variables: [String: JSONValue] = [:]
  ) throws {
    tokenizer = try pretrained.requireTokenizer()
    template = try pretrained.requireChatTemplate()
    self.model = model
    self.variables = pretrained.templateVariables.merging(variables) { $1 }
    self.options = options
    self.options.stopTokens.formUnion(pretrained.stopTokens)
    cache = model.makeCache()
    if let system { messages.append(ChatMessage(role: "system", content: system)) }
  }

  /// The model's answer to what the user says; both then belong to the conversation.
  ///
  /// - Parameters:
  ///   - text: what the user says.
  ///   - show: takes the answer as it comes.
  /// - Returns: the answer; without a `finish` if it was broken off.
  /// - Throws: `ChatTemplateError`, or `GenerationError` if the conversation has outgrown the
  ///   model's context; the conversation is then as before. What `show` throws.
  @discardableResult
  public func reply(
    to text: String,
    show: (String) throws -> Void = { _ in }
  ) throws -> GeneratedText {
    let asked = messages + [ChatMessage(role: "user", content: text)]
    let prompt = tokenizer.encode(
      try template.render(asked, variables: variables),
      addSpecialTokens: false
    )
    try GenerationError.check(prompt, context: model.configuration.contextLength)
    // The last token is read again: the next one is drawn from its logits.
    let common = zip(cached, prompt).prefix { $0 == $1 }.count
    cache.truncate(to: min(common, prompt.count - 1))
    var batch = TextBatch(
      model,
      tokenizer: tokenizer,
      prompts: [prompt],
      caches: [cache],
      options: options,
      stopTexts: stopTexts,
      firstStream: messages.count / 2  // each reply draws anew
    )
    // Whatever ends this, the cache holds a beginning of these tokens.
    defer { cached = Array((prompt + batch.texts[0].tokens).prefix(cache.count)) }
    while !shouldStop(), let pieces = batch.next() {
      if !pieces[0].isEmpty { try show(pieces[0]) }
    }
    messages = asked + [ChatMessage(role: "assistant", content: batch.texts[0].text)]
    return batch.texts[0]
  }
}

extension PretrainedModel {
  /// The template that came with the model.
  ///
  /// - Throws: `ChatTemplateError` if there is none, or it cannot be read.
  public func requireChatTemplate() throws -> ChatTemplate {
    guard let template = try chatTemplate() else {
      throw ChatTemplateError(
        line: nil,
        reason: "\(path) has none: it is a model for continuing texts, not for conversations"
      )
    }
    return template
  }
}
