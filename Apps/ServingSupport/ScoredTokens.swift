import Checkpoints
import Transformer

/// How likely the tokens of a text were, in the API's two forms.
struct ScoredTokens: Sendable {
  private struct Entry {
    let token: [UInt8]
    /// Nil for the first token of a prompt, which nothing came before.
    let logProbability: Float?
    let likeliest: [(token: [UInt8], logProbability: Float)]
    /// The characters before it.
    let offset: Int
  }

  private let form: CompletionRequest.Form
  private let tokenizer: Tokenizer
  private var prompt: [Int32]
  private var entries: [Entry] = []
  private var offset = 0

  /// No token yet; `prompt` has the prompt's where they are told as well.
  init(_ form: CompletionRequest.Form, _ tokenizer: Tokenizer, prompt: [Int32]) {
    (self.form, self.tokenizer, self.prompt) = (form, tokenizer, prompt)
  }

  /// Takes in the tokens of an event.
  mutating func append(_ event: Job.Event) {
    if !event.scores.isEmpty || event.finish != nil, let first = prompt.first {
      append(first, nil)
      for score in event.promptScores { append(score.token.id, score) }
      prompt = []
    }
    for score in event.scores { append(score.token.id, score) }
  }

  private mutating func append(_ id: Int32, _ score: TokenScore?) {
    let token = tokenizer.bytes(of: id)
    entries.append(
      Entry(
        token: token,
        logProbability: score?.token.logProbability,
        likeliest: score?.likeliest.map { (tokenizer.bytes(of: $0.id), $0.logProbability) } ?? [],
        offset: offset
      )
    )
    offset += String(decoding: token, as: UTF8.self).unicodeScalars.count
  }

  /// What has come since the last call; nil for nothing.
  mutating func take() -> JSONValue? {
    guard !entries.isEmpty else { return nil }
    defer { entries = [] }
    return document
  }

  /// All that was not taken.
  var document: JSONValue {
    switch form {
    case .chat: ["content": .array(entries.map(content)), "refusal": nil]
    case .text:
      [
        "tokens": .array(entries.map { Self.text($0.token) }),
        "token_logprobs": .array(entries.map { $0.logProbability.map(Self.number) ?? .null }),
        "top_logprobs": .array(entries.map(top)),
        "text_offset": .array(entries.map { .integer(Int64($0.offset)) }),
      ]
    }
  }

  private func content(_ entry: Entry) -> JSONValue {
    var content = Self.candidate(entry.token, entry.logProbability ?? 0)
    content["top_logprobs"] = .array(
      entry.likeliest.map { .object(Self.candidate($0.token, $0.logProbability)) }
    )
    return .object(content)
  }

  /// The likeliest tokens and the token itself.
  ///
  /// Of parts of characters, which look alike, the likeliest stays.
  private func top(_ entry: Entry) -> JSONValue {
    guard let own = entry.logProbability else { return .null }
    var top: JSONObject = [:]
    for (token, logProbability) in entry.likeliest + [(entry.token, own)] {
      let name = String(decoding: token, as: UTF8.self)
      if top[name] == nil { top[name] = Self.number(logProbability) }
    }
    return .object(top)
  }

  private static func candidate(_ token: [UInt8], _ logProbability: Float) -> JSONObject {
    [
      "token": text(token), "logprob": number(logProbability),
      "bytes": .array(token.map { .integer(Int64($0)) }),
    ]
  }

  private static func text(_ token: [UInt8]) -> JSONValue {
    .string(String(decoding: token, as: UTF8.self))
  }

  /// As the API writes what cannot be: JSON has no infinity.
  private static func number(_ logProbability: Float) -> JSONValue {
    .number(Double(max(logProbability, -9999)))
  }
}
