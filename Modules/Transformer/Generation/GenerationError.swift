/// Why a text cannot be continued.
public enum GenerationError: Error, Equatable, CustomStringConvertible {
  /// The prompt has no token.
  case emptyPrompt
  /// The prompt fills the model's context.
  case promptTooLong(tokens: Int, context: Int)

  /// The reason, with the numbers.
  public var description: String {
    switch self {
    case .emptyPrompt: "generation: the prompt has no token"
    case .promptTooLong(let tokens, let context):
      "generation: the prompt has \(tokens) tokens, and the model's context room for \(context); "
        + "shorten it"
    }
  }

  /// Throws unless something can be written behind a prompt.
  static func check(_ prompt: [Int32], context: Int) throws(GenerationError) {
    guard !prompt.isEmpty else { throw .emptyPrompt }
    guard prompt.count < context else {
      throw .promptTooLong(tokens: prompt.count, context: context)
    }
  }
}
