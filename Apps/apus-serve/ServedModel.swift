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
  /// Texts that are written or wait, and how many may.
  private let outstanding = Mutex(0)
  private let outstandingLimit: Int

  init(_ name: String, _ pretrained: PretrainedModel, _ settings: ServingSettings) throws {
    self.name = name
    created = Int(Date().timeIntervalSince1970)
    tokenizer = try pretrained.requireTokenizer()
    contextLength = settings.contextLength(pretrained)
    stopTokens = pretrained.stopTokens
    sampling = pretrained.sampling
    template = Result { try pretrained.requireChatTemplate() }
      .mapError { CommandFailure("\($0)") }
    variables = pretrained.templateVariables
    outstandingLimit = settings.parallel + settings.queue
  }

  /// Takes places for so many texts; false where too many wait already.
  func enter(_ count: Int) -> Bool {
    outstanding.withLock { outstanding in
      guard outstanding + count <= outstandingLimit else { return false }
      outstanding += count
      return true
    }
  }

  /// Gives places back.
  func leave(_ count: Int) { outstanding.withLock { $0 -= count } }

  /// The tokens of a conversation.
  ///
  /// - Throws: `APIError` where the model has no template, or the template refuses the turns.
  func tokens(
    ofConversation messages: [JSONValue],
    variables: [String: JSONValue]
  ) throws(APIError) -> [Int32] {
    do {
      let text = try template.get().render(
        messages,
        variables: self.variables.merging(variables) { $1 }
      )
      return tokenizer.encode(text, addSpecialTokens: false)
    } catch {
      throw .invalid("\(error)", parameter: "messages")
    }
  }
}
