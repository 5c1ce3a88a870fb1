import Checkpoints
import Foundation
import ModelSupport
import Support
import Synchronization
import Transformer

/// What requests need to know of a model that is loaded.
final class ServedModel: Sendable {
  /// What requests call it.
  let name: String
  /// The model that computes: its own name, or that of the base that it shares.
  let base: String
  /// What its scales are called in that base; nil for the base, and for a model of its own.
  let task: String?
  /// Seconds since 1970 at which it was loaded.
  let created: Int
  let tokenizer: Tokenizer
  /// The most tokens of a text, its prompt included.
  let contextLength: Int
  let stopTokens: Set<Int32>
  /// How its makers sample from it.
  let sampling: SamplingOptions
  /// The template of conversations, or why there is none.
  private let template: Result<ChatTemplate, CommandFailure>
  private let variables: [String: JSONValue]
  /// The most bytes of a text whose tokens may have room.
  private let longestText: Int
  /// Texts that are written or wait.
  private let outstanding: Outstanding

  init(
    _ name: String,
    _ pretrained: PretrainedModel,
    _ settings: ServingSettings,
    base: String? = nil,
    task: String? = nil
  ) throws {
    (self.name, self.task) = (name, task)
    self.base = base ?? name
    created = Int(Date().timeIntervalSince1970)
    tokenizer = try pretrained.requireTokenizer()
    contextLength = settings.contextLength(pretrained)
    stopTokens = pretrained.stopTokens
    sampling = pretrained.sampling
    template = Result { try pretrained.requireChatTemplate() }
      .mapError { CommandFailure("\($0)") }
    variables = pretrained.templateVariables
    longestText =
      contextLength.multipliedReportingOverflow(by: tokenizer.longestTokenLength)
      .partialValue
    outstanding = Outstanding(limit: settings.parallel + settings.queue)
  }

  /// Takes places for so many texts; false where too many wait already.
  func enter(_ count: Int) -> Bool { outstanding.enter(count) }

  /// Gives places back.
  func leave(_ count: Int) { outstanding.leave(count) }

  /// The tokens of a text.
  ///
  /// - Throws: `APIError` that names the field where they cannot have room, before they are counted.
  func tokens(
    of text: String,
    parameter: String,
    addSpecialTokens: Bool = true
  ) throws(APIError) -> [Int32] {
    guard text.utf8.count <= longestText else {
      throw .invalid(
        "a text of \(text.utf8.count) bytes has more tokens than the \(contextLength) of the context of "
          + "'\(name)'; shorten it",
        parameter: parameter,
        code: "context_length_exceeded"
      )
    }
    return tokenizer.encode(text, addSpecialTokens: addSpecialTokens)
  }

  /// The tokens of a conversation.
  ///
  /// - Throws: `APIError` where the model has no template, or the template refuses the turns.
  func tokens(
    ofConversation messages: [JSONValue],
    variables: [String: JSONValue]
  ) throws(APIError) -> [Int32] {
    let text: String
    do {
      text = try template.get().render(
        messages,
        variables: self.variables.merging(variables) { $1 }
      )
    } catch {
      throw .invalid("\(error)", parameter: "messages")
    }
    return try tokens(of: text, parameter: "messages", addSpecialTokens: false)
  }
}

/// How many texts are written or wait, and how many may.
private final class Outstanding: Sendable {
  private let limit: Int
  private let count = Mutex(0)

  init(limit: Int) { self.limit = limit }

  func enter(_ number: Int) -> Bool {
    count.withLock { count in
      guard count + number <= limit else { return false }
      count += number
      return true
    }
  }

  func leave(_ number: Int) { count.withLock { $0 -= number } }
}
