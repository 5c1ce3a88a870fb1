import ArgumentParser
import Checkpoints
import Support
import Transformer

/// Whether prompts are turns of a conversation.
struct ChatArguments: ParsableArguments {
  @Flag(help: "Take prompts as what a user says; without a prompt, converse line by line.")
  var chat = false

  @Option(help: ArgumentHelp("What the model is told before a conversation.", valueName: "text"))
  var system: String?

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp(
      "Give the chat template a variable: enable_thinking=false.",
      valueName: "name=value"
    )
  )
  var settings: [String] = []

  func validate() throws {
    guard chat || (system == nil && settings.isEmpty) else {
      throw ValidationError("--system and --set belong to conversations; add --chat")
    }
    for setting in settings where Self.variable(setting) == nil {
      throw ValidationError("--set \(setting): write it as name=value")
    }
  }

  /// The variables by name; a value that is no JSON is a text.
  var variables: [String: JSONValue] {
    Dictionary(settings.compactMap(Self.variable), uniquingKeysWith: { _, last in last })
  }

  private static func variable(_ setting: String) -> (String, JSONValue)? {
    let parts = setting.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, !parts[0].isEmpty else { return nil }
    let text = String(parts[1])
    return (String(parts[0]), (try? JSONValue.parse(text)) ?? .string(text))
  }

  /// The text that a first turn becomes.
  func rendered(_ prompt: String, for model: PretrainedModel) throws -> String {
    let system = system.map { [ChatMessage(role: "system", content: $0)] } ?? []
    return try model.requireChatTemplate().render(
      system + [ChatMessage(role: "user", content: prompt)],
      variables: model.templateVariables.merging(variables) { $1 }
    )
  }
}
