import Checkpoints
import Testing

@testable import GUIGroundingRemote

@Suite struct ChatReplyTests {
  private func reply(_ prompt: JSONValue, _ completion: JSONValue) throws -> ChatReply {
    try ChatReply([
      "choices": [["message": ["content": "(1, 2)"]]],
      "usage": ["prompt_tokens": prompt, "completion_tokens": completion],
    ])
  }

  @Test func tokensAreCounted() throws {
    let reply = try reply(3, 0)
    #expect(reply.promptTokens == 3 && reply.completionTokens == 0)
  }

  /// The tally of a client adds up what all replies say.
  @Test(arguments: [.integer(.max), .integer(.min), -1, 1.5, "7", nil] as [JSONValue])
  func numbersThatCountNothingAreLeftOut(value: JSONValue) throws {
    let reply = try reply(value, value)
    #expect(reply.promptTokens == nil && reply.completionTokens == nil)
    #expect(reply.choices.map(\.text) == ["(1, 2)"])
  }
}
