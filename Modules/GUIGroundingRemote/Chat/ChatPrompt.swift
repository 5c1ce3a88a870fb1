package import Checkpoints
import GUIGrounding

/// The messages of a request, and what its answers begin with.
struct ChatPrompt: Sendable {
  /// The messages in order.
  var messages: [JSONValue]
  /// What was put into the model's mouth, which its answers lack.
  var beginning: String

  /// A prompt.
  ///
  /// - Parameters:
  ///   - template: the wording.
  ///   - instruction: what to click.
  ///   - size: the extents of the picture that is sent.
  ///   - picture: the picture as a `data:` URL.
  ///   - coordinates: what numbers the answer should have, where the template leaves that open.
  ///   - prefill: whether the answer may be begun.
  init(
    _ template: PromptTemplate,
    _ instruction: String,
    size: PixelSize,
    picture: String,
    coordinates: CoordinateConvention,
    prefill: AssistantPrefill
  ) {
    let image: JSONValue = ["type": "image_url", "image_url": ["url": .string(picture)]]
    let text = JSONValue.string(template.userText(instruction, size, coordinates))
    messages = []
    if let system = template.systemText(size, coordinates) {
      messages.append(["role": "system", "content": .string(system)])
    }
    var parts: [JSONValue] = [image, ["type": "text", "text": text]]
    if let lead = template.leadText {
      parts.insert(["type": "text", "text": .string(lead)], at: 0)
    }
    messages.append(["role": "user", "content": .array(parts)])
    beginning = prefill == .off ? "" : template.answerBeginning
    if !beginning.isEmpty {
      messages.append(["role": "assistant", "content": .string(beginning)])
    }
  }
}

/// The body of a chat request, but for `n` and `seed`, which differ between its parts.
package struct ChatRequestBody: Sendable {
  private var fields: JSONObject
  private let extra: JSONObject

  /// A body.
  init(
    server: ChatServer,
    prompt: ChatPrompt,
    options: GroundingSampling,
    extra: JSONObject
  ) {
    fields = [
      "model": .string(server.model),
      "messages": .array(prompt.messages),
      "n": 1,
      // Always sent: some servers have other defaults, from the files of the model.
      "temperature": .number(options.temperature),
      "top_p": .number(options.topP),
      "max_tokens": .integer(Int64(options.maxTokens)),
      "stream": false,
    ]
    if server.wantsLogProbabilities { fields["logprobs"] = true }
    var extra = extra
    if !prompt.beginning.isEmpty, server.prefill == .continueFinalMessage {
      extra["continue_final_message"] = true
      extra["add_generation_prompt"] = false
    }
    self.extra = extra
  }

  /// The body that asks for `count` answers.
  package func json(count: Int, seed: UInt64?) -> JSONObject {
    var body = fields
    body["n"] = .integer(Int64(count))
    // Servers read signed integers.
    if let seed { body["seed"] = .integer(Int64(seed & UInt64(Int64.max))) }
    for (key, value) in extra { body[key] = value }
    return body
  }
}
