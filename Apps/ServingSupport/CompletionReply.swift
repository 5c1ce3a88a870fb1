import Checkpoints
import Foundation
import Transformer

/// The documents that answer a request for texts, in the OpenAI API's forms.
struct CompletionReply: Sendable {
  private struct Text {
    var text: String
    var finish: GenerationFinish?
    /// Nil where nobody asked.
    var scores: ScoredTokens?
  }

  private let form: CompletionRequest.Form
  private let model: String
  private let id: String
  private let created: Int
  private let promptTokens: Int
  private let includesUsage: Bool
  private var texts: [Text]
  private var writtenTokens = 0
  private var reusedTokens = 0
  /// The choices of which nothing was told.
  private var silent: Set<Int>
  private let beginnings: [String]

  init(_ request: CompletionRequest, model: String, tokenizer: Tokenizer) {
    form = request.form
    self.model = model
    let number = UUID().uuidString.replacingOccurrences(of: "-", with: "").lowercased()
    id = (form == .chat ? "chatcmpl-" : "cmpl-") + number
    created = Int(Date().timeIntervalSince1970)
    // As the API counts: a prompt counts once, however many texts follow it.
    promptTokens = request.prompts.reduce(0) { $0 + $1.count }
    includesUsage = request.includesUsage
    beginnings = request.beginnings.flatMap { Array(repeating: $0, count: request.choices) }
    texts = beginnings.map { Text(text: $0) }
    if request.options.scoreCount != nil {
      for index in texts.indices {
        let prompt = request.prompts[index / request.choices]
        texts[index].scores = ScoredTokens(
          form,
          tokenizer,
          prompt: request.options.scoresPrompt ? prompt : []
        )
      }
    }
    silent = Set(texts.indices)
  }

  /// Whether all texts have ended.
  var isComplete: Bool { texts.allSatisfy { $0.finish != nil } }

  /// The tokens that were read and written, for a line of the log.
  var tokenCounts: (prompt: Int, written: Int) { (promptTokens, writtenTokens) }

  /// Takes in what has happened to a text.
  mutating func append(_ event: Job.Event) {
    texts[event.choice].text += event.piece
    texts[event.choice].finish = event.finish
    texts[event.choice].scores?.append(event)
    writtenTokens += event.tokens
    reusedTokens += event.reused
  }

  // MARK: In one piece

  /// The answer that holds all texts.
  var document: JSONValue {
    var document = head(form == .chat ? "chat.completion" : "text_completion")
    document["choices"] = .array(
      texts.enumerated().map { index, text in
        choice(index, text.finish) { choice in
          if let scores = text.scores { choice["logprobs"] = scores.document }
          switch form {
          case .chat:
            choice["message"] = [
              "role": "assistant", "content": .string(text.text), "refusal": nil,
            ]
          case .text: choice["text"] = .string(text.text)
          }
        }
      }
    )
    document["usage"] = usage
    return .object(document)
  }

  // MARK: In events

  /// The events of a stream that tell what has happened; often none.
  mutating func events(for event: Job.Event) -> [JSONValue] {
    append(event)
    let isFirst = silent.remove(event.choice) != nil
    var events: [JSONValue] = []
    switch form {
    case .chat:
      if isFirst { events.append(chunk(event.choice, ["role": "assistant", "content": ""])) }
      if !event.piece.isEmpty {
        let scores = texts[event.choice].scores?.take()
        events.append(chunk(event.choice, ["content": .string(event.piece)], scores: scores))
      }
      if let finish = event.finish {
        let scores = texts[event.choice].scores?.take()
        events.append(chunk(event.choice, [:], finish, scores: scores))
      }
    case .text:
      let piece = (isFirst ? beginnings[event.choice] : "") + event.piece
      if !piece.isEmpty || event.finish != nil {
        let scores = texts[event.choice].scores?.take()
        events.append(chunk(event.choice, .string(piece), event.finish, scores: scores))
      }
    }
    return events
  }

  /// The event that counts the tokens; nil where the request did not ask for it.
  var usageEvent: JSONValue? {
    guard includesUsage else { return nil }
    var document = head(form == .chat ? "chat.completion.chunk" : "text_completion")
    document["choices"] = []
    document["usage"] = usage
    return .object(document)
  }

  private func chunk(
    _ index: Int,
    _ content: JSONValue,
    _ finish: GenerationFinish? = nil,
    scores: JSONValue? = nil
  ) -> JSONValue {
    var document = head(form == .chat ? "chat.completion.chunk" : "text_completion")
    document["choices"] = [
      choice(index, finish) {
        $0[form == .chat ? "delta" : "text"] = content
        if let scores { $0["logprobs"] = scores }
      }
    ]
    if includesUsage { document["usage"] = .null }
    return .object(document)
  }

  // MARK: Parts

  private func head(_ object: String) -> JSONObject {
    [
      "id": .string(id), "object": .string(object), "created": .integer(Int64(created)),
      "model": .string(model),
    ]
  }

  private func choice(
    _ index: Int,
    _ finish: GenerationFinish?,
    _ fill: (inout JSONObject) -> Void
  ) -> JSONValue {
    var choice: JSONObject = ["index": .integer(Int64(index)), "logprobs": .null]
    fill(&choice)
    choice["finish_reason"] = finish.map { .string(Self.reason($0)) } ?? .null
    return .object(choice)
  }

  private static func reason(_ finish: GenerationFinish) -> String {
    switch finish {
    case .stop, .stopText: "stop"
    case .length, .context: "length"
    }
  }

  private var usage: JSONValue {
    [
      "prompt_tokens": .integer(Int64(promptTokens)),
      "completion_tokens": .integer(Int64(writtenTokens)),
      "total_tokens": .integer(Int64(promptTokens + writtenTokens)),
      "prompt_tokens_details": ["cached_tokens": .integer(Int64(min(reusedTokens, promptTokens)))],
    ]
  }
}
