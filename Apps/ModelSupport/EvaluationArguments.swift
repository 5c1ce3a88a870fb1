package import ArgumentParser
package import Transformer

/// How a text is cut and its losses are averaged.
package struct EvaluationArguments: ParsableArguments {
  package enum LeadingToken: String, EnumerableFlag {
    case bos
    case noBOS

    package static func name(for value: LeadingToken) -> NameSpecification {
      value == .bos ? .customLong("bos") : .customLong("no-bos")
    }

    package static func help(for value: LeadingToken) -> ArgumentHelp? {
      switch value {
      case .bos:
        "Put the model's first token in front of every window. (default: as it was trained)"
      case .noBOS: "Put nothing in front of the windows."
      }
    }
  }

  package static let defaultWindow = 512

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Tokens that the model sees at once. (default: \(Self.defaultWindow), or the context)",
      valueName: "tokens"
    )
  )
  package var window: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Tokens from one window's start to the next; smaller than the window gives every token "
        + "more to look back at. (default: the window)",
      valueName: "tokens"
    )
  )
  package var stride: Int?

  @Option(help: "What counts the same in the mean: every token, or every complete window (GPTQ).")
  package var weighting = PerplexityOptions.Weighting.tokens

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Read no more windows. (default: all)", valueName: "count")
  )
  package var maxWindows: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Read no more of the text. (default: all)", valueName: "count")
  )
  package var characters: Int?

  @Flag
  package var leadingToken: LeadingToken?

  package init() {}

  package func validate() throws {
    func require(_ value: Int?, atLeast least: Int, _ name: String) throws {
      guard let value, value < least else { return }
      throw ValidationError("\(name) \(value) is too small; choose at least \(least)")
    }
    try require(window, atLeast: 2, "--window")
    try require(stride, atLeast: 1, "--stride")
    try require(maxWindows, atLeast: 1, "--max-windows")
    try require(characters, atLeast: 1, "--characters")
    if let stride, stride > window ?? Self.defaultWindow {
      throw ValidationError(
        "--stride \(stride) skips tokens; choose at most the window of "
          + "\(window ?? Self.defaultWindow)"
      )
    }
  }

  /// The token that begins a text.
  package struct BeginToken {
    package var id: Int32
    /// Whether the tokenizer adds it unasked.
    package var isUsual: Bool
  }

  /// The options for a model with that context and that first token.
  package func options(contextLength: Int, beginToken: BeginToken?) -> PerplexityOptions {
    let wantsToken = leadingToken.map { $0 == .bos } ?? beginToken?.isUsual ?? false
    return PerplexityOptions(
      window: window ?? min(Self.defaultWindow, contextLength),
      stride: stride,
      weighting: weighting,
      leadingToken: wantsToken ? beginToken?.id : nil,
      maximumWindows: maxWindows
    )
  }
}
