import ArgumentParser
import ModelSupport
import Support
import Transformer

/// `generate`: continuations of prompts, and conversations.
struct GenerateCommand: ParsableCommand {
  enum Encoding: String, EnumerableFlag {
    case raw
    case bos

    static func help(for value: Encoding) -> ArgumentHelp? {
      switch value {
      case .raw: "Take prompts as plain text: no first token, special tokens have no meaning."
      case .bos: "Put the model's first token in front. (default: as the tokenizer says)"
      }
    }
  }

  static let configuration = CommandConfiguration(
    commandName: "generate",
    abstract: "Continue texts, or converse.",
    discussion: """
      Writes the continuation to standard output as it is made, and the speed to standard error. \
      It ends at the model's stop token, at a --stop text, after --tokens, or where the model's \
      context is full. Several prompts go through the model in one batch; their texts are written \
      when all are complete. Temperature 0 always takes the most likely token; above 0 the same \
      seed gives the same text.

      EXAMPLES
        apus-quantize generate SmolLM2-135M "The capital of France is"
        apus-quantize generate small "Once upon a time" --temperature 0.8 --top-p 0.95 --seed 7
        apus-quantize generate small "One" "Two" "Three" --stop "." --json
        apus-quantize generate small --chat "What is the capital of France?" --recommended
        apus-quantize generate small --chat --system "Answer in one sentence."
      """
  )

  @Argument(help: "A model folder or a .gguf file.")
  var model: String

  @Argument(help: "The texts to continue.")
  var prompts: [String] = []

  @Option(
    help: ArgumentHelp(
      "A file with more prompts, one a line; - for standard input.",
      valueName: "file"
    )
  )
  var promptFile: String?

  @Option(
    name: .shortAndLong,
    parsing: .unconditional,
    help: ArgumentHelp(
      "The most tokens to write, 64 by default and 512 in a conversation.",
      valueName: "count"
    )
  )
  var tokens: Int?

  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp("End where this text appears; may be repeated.", valueName: "text")
  )
  var stop: [String] = []

  @Flag
  var encoding: Encoding?

  @OptionGroup(title: "Sampling")
  var sampling: SamplingArguments

  @OptionGroup(title: "Conversation")
  var conversation: ChatArguments

  @OptionGroup(title: "Output")
  var output: OutputArguments

  func validate() throws {
    if let tokens, tokens < 1 {
      throw ValidationError("--tokens \(tokens) writes nothing; choose at least 1")
    }
    if stop.contains("") { throw ValidationError("--stop needs a text") }
    if conversation.chat, encoding != nil {
      throw ValidationError(
        "--\(encoding?.rawValue ?? "") has no meaning with --chat; leave it out"
      )
    }
    guard prompts.isEmpty, promptFile == nil else { return }
    guard conversation.chat else {
      throw ValidationError("Missing expected argument '<prompts>'")
    }
    if output.json {
      throw ValidationError("--json needs a prompt; a conversation has no single result")
    }
  }

  func run() throws {
    var prompts = prompts
    if let promptFile { prompts += try PromptFile(path: promptFile).prompts }
    let file = try ModelFile(path: model)
    let options = GenerationOptions(
      maximumTokens: tokens ?? (conversation.chat ? 512 : 64),
      sampling: sampling.options(file.pretrained),
      stopTokens: file.pretrained.stopTokens
    )
    guard !prompts.isEmpty else { return try converse(file, options) }
    let ids = try prompts.map { prompt in
      guard conversation.chat else { return try file.promptTokens(prompt, encoding: encoding) }
      let text = try conversation.rendered(prompt, for: file.pretrained)
      return try file.checked(file.tokens(of: text))
    }
    let isLive = !output.json && prompts.count == 1
    let show: ((String) throws -> Void)? = isLive ? { try Self.show($0) } : nil
    let generation = try Generation(
      file,
      prompts: zip(prompts, ids).map { Generation.Prompt(text: $0, tokens: $1) },
      options: options,
      stopTexts: stop,
      reporter: isLive ? nil : output.progress("generating", unit: "tokens"),
      show: show
    )
    if output.json {
      try StandardStream.output.writeLine(jsonText(generation))
    } else if !isLive {
      try Self.show(generation.listing)
    }
    if !output.quiet { try? StandardStream.error.writeLine(generation.summary) }
  }

  private func converse(_ file: ModelFile, _ options: GenerationOptions) throws {
    let chat = try ChatSession(
      file.pretrained,
      model: file.makeModel(),
      system: conversation.system,
      options: options,
      variables: conversation.variables
    )
    chat.stopTexts = stop
    try Conversation(chat, isQuiet: output.quiet).run(show: Self.show)
  }

  /// Writes a piece of text as it comes; a model's control characters must not reach a terminal.
  private static func show(_ piece: String) throws {
    let stream = StandardStream.output
    try stream.write(stream.isTerminal ? piece.printableLines : piece)
  }
}
