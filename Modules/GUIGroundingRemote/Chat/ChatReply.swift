import Checkpoints

/// One answer of a chat server.
public struct ChatChoice: Equatable, Sendable {
  /// The text: separated reasoning in `<think>` tags, then the content or a tool's arguments.
  public var text: String
  /// Whether the server stopped it for its length.
  public var isTruncated: Bool
  /// The log-probability of each token, where the server returns them.
  public var logProbabilities: [Float]?

  /// An answer.
  public init(text: String, isTruncated: Bool = false, logProbabilities: [Float]? = nil) {
    self.text = text
    self.isTruncated = isTruncated
    self.logProbabilities = logProbabilities
  }
}

/// What a chat server replies: its answers in order, and the tokens that it counts.
struct ChatReply: Equatable, Sendable {
  /// The answers by their index.
  var choices: [ChatChoice]
  /// Tokens of the prompt, where the server counts them.
  var promptTokens: Int?
  /// Tokens of all answers, where the server counts them.
  var completionTokens: Int?

  /// Reads the body of a reply of status 200.
  ///
  /// - Throws: what makes no sense, in words.
  init(_ body: JSONValue) throws(ChatReplyProblem) {
    guard let list = body["choices"]?.arrayValue else {
      throw ChatReplyProblem(text: "no list \"choices\"")
    }
    guard !list.isEmpty else { throw ChatReplyProblem(text: "\"choices\" is empty") }
    var numbered: [(index: Int, choice: ChatChoice)] = []
    for (place, entry) in list.enumerated() {
      guard let message = entry["message"], message.objectValue != nil else {
        throw ChatReplyProblem(text: "choice \(place) has no message")
      }
      numbered.append((entry["index"]?.intValue ?? place, ChatChoice(entry, message)))
    }
    // Stable: choices of the same index keep their order.
    choices = numbered.enumerated()
      .sorted { ($0.element.index, $0.offset) < ($1.element.index, $1.offset) }
      .map(\.element.choice)
    promptTokens = Self.count(body["usage"]?["prompt_tokens"])
    completionTokens = Self.count(body["usage"]?["completion_tokens"])
  }

  /// A number of tokens; nil for one that cannot be, for the numbers of all replies are added up.
  private static func count(_ value: JSONValue?) -> Int? {
    value?.intValue.flatMap { (0...1 << 40).contains($0) ? $0 : nil }
  }
}

/// Why a body is not a chat reply.
struct ChatReplyProblem: Error {
  let text: String
}

extension ChatChoice {
  fileprivate init(_ entry: JSONValue, _ message: JSONValue) {
    let reasoning = [message["reasoning_content"], message["reasoning"]]
      .lazy.compactMap { $0?.stringValue }.first { !$0.isEmpty }
    let arguments = (message["tool_calls"]?.arrayValue ?? []).compactMap { call in
      Self.text(ofArguments: call["function"]?["arguments"])
    }
    let content = Self.text(of: message["content"])
    let body = content.isEmpty ? arguments.joined(separator: "\n") : content
    text = (reasoning.map { "<think>\($0)</think>" } ?? "") + body
    isTruncated = entry["finish_reason"]?.stringValue == "length"
    let tokens = entry["logprobs"]?["content"]?.arrayValue
    let values = tokens?.map { $0["logprob"]?.doubleValue.map { Float($0) } } ?? []
    let known = values.compactMap { $0 }
    logProbabilities = known.isEmpty || known.count < values.count ? nil : known
  }

  private static func text(of content: JSONValue?) -> String {
    if let text = content?.stringValue { return text }
    return (content?.arrayValue ?? []).compactMap { $0["text"]?.stringValue }.joined()
  }

  /// Arguments are JSON in a string; some servers send the object itself.
  private static func text(ofArguments arguments: JSONValue?) -> String? {
    if let text = arguments?.stringValue { return text }
    return arguments?.objectValue.map { JSONValue.object($0).serialized() }
  }
}
