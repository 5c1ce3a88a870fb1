import ArgumentParser
import ModelSupport
import Support
import Transformer

/// The command line that lets models speak.
@main
struct ApusGenerate: ParsableCommand {
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
    commandName: "apus-generate",
    abstract: "Continues texts, converses, and measures how fast a model does.",
    discussion: """
      A MODEL is a Hugging Face folder (config.json, tokenizer.json, *.safetensors), a folder that \
      apus-quantize or another tool has quantized, or a .gguf file. What has low-bit codes is \
      computed from them as they are.

      Writes the continuation to standard output as it is made, and the speed to standard error. \
      It ends at the model's stop token, at a --stop text, after --tokens, or where the model's \
      context is full. Several prompts go through the model in one batch; their texts are written \
      when all are complete. Temperature 0 always takes the most likely token; above 0 the same \
      seed gives the same text.

      Exit codes: 0 done, 1 failed, 64 typed wrongly, 130 interrupted.

      EXAMPLES
        apus-generate SmolLM2-135M "The capital of France is"
        apus-generate small "Once upon a time" --temperature 0.8 --top-p 0.95 --seed 7
        apus-generate small "One" "Two" "Three" --stop "." --json
        apus-generate small --chat "What is the capital of France?" --recommended
        apus-generate small --chat --system "Answer in one sentence."
        apus-generate small "The tenant" --adapter law --adapter novels
        apus-generate model.gguf --also small --bench --threads 1 --threads 2
      """,
    version: "0.1.0"
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

  @OptionGroup(title: "Models")
  var models: ModelArguments

  @OptionGroup(title: "Sampling")
  var sampling: SamplingArguments

  @OptionGroup(title: "Conversation")
  var conversation: ChatArguments

  @OptionGroup(title: "Speed")
  var speed: SpeedArguments

  @OptionGroup(title: "Output")
  var output: OutputArguments

  static func main() { runToItsEnd() }

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
    let hasPrompts = !prompts.isEmpty || promptFile != nil
    if speed.bench {
      guard !hasPrompts, !conversation.chat else {
        throw ValidationError("--bench reads and writes tokens of its own; leave prompts out")
      }
      return
    }
    guard !hasPrompts else { return }
    guard conversation.chat else {
      throw ValidationError("Missing expected argument '<prompts>'")
    }
    if output.json {
      throw ValidationError("--json needs a prompt; a conversation has no single result")
    }
    if !models.others.isEmpty || models.adapters.count > 1 {
      throw ValidationError(
        "a conversation has one model; leave --also and all but one --adapter out"
      )
    }
  }

  func run() throws {
    if speed.bench { return try bench() }
    speed.apply()
    var prompts = prompts
    if let promptFile { prompts += try PromptFile(path: promptFile).prompts }
    let variants = try ModelVariant.all([model] + models.others, adapters: models.adapters)
    guard !prompts.isEmpty else { return try converse(variants[0]) }
    var generations: [Generation] = []
    for variant in variants {
      if variants.count > 1 && !output.json { try Self.show("── \(variant.name)\n") }
      generations.append(try write(variant, prompts))
    }
    guard output.json else { return }
    try StandardStream.output.writeLine(
      generations.count == 1 ? jsonText(generations[0]) : jsonText(generations)
    )
  }

  /// Continues the prompts and shows the texts.
  private func write(_ variant: ModelVariant, _ prompts: [String]) throws -> Generation {
    let file = variant.file
    let ids = try prompts.map { prompt in
      guard conversation.chat else { return try file.promptTokens(prompt, encoding: encoding) }
      let text = try conversation.rendered(prompt, for: file.pretrained)
      return try file.checked(file.tokens(of: text))
    }
    let isLive = !output.json && prompts.count == 1
    let show: ((String) throws -> Void)? = isLive ? { try Self.show($0) } : nil
    let generation = try Generation(
      variant.name,
      model: variant.makeModel(models),
      tokenizer: file.pretrained.requireTokenizer(),
      prompts: zip(prompts, ids).map { Generation.Prompt(text: $0, tokens: $1) },
      options: options(file),
      stopTexts: stop,
      reporter: isLive ? nil : output.progress("generating", unit: "tokens"),
      show: show
    )
    if !isLive && !output.json { try Self.show(generation.listing) }
    if !output.quiet { try? StandardStream.error.writeLine(generation.summary) }
    return generation
  }

  private func options(_ file: ModelFile) -> GenerationOptions {
    GenerationOptions(
      maximumTokens: tokens ?? (conversation.chat ? 512 : 64),
      sampling: sampling.options(file.pretrained),
      stopTokens: file.pretrained.stopTokens
    )
  }

  private func converse(_ variant: ModelVariant) throws {
    let chat = try ChatSession(
      variant.file.pretrained,
      model: variant.makeModel(models),
      system: conversation.system,
      options: options(variant.file),
      variables: conversation.variables
    )
    chat.stopTexts = stop
    try Conversation(chat, isQuiet: output.quiet).run(show: Self.show)
  }

  /// Measures every model with every number of threads.
  private func bench() throws {
    let variants = try ModelVariant.all([model] + models.others, adapters: models.adapters)
    let results = try variants.flatMap { variant in
      try speed.measure(variant, models, output: output)
    }
    let stream = StandardStream.output
    try stream.writeLine(
      output.json ? jsonText(results) : SpeedResult.table(results).text(width: stream.columnCount)
    )
  }

  /// Writes a piece of text as it comes; a model's control characters must not reach a terminal.
  private static func show(_ piece: String) throws {
    let stream = StandardStream.output
    try stream.write(stream.isTerminal ? piece.printableLines : piece)
  }
}
