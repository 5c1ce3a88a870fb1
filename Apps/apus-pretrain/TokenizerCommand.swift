public import ArgumentParser
import Checkpoints
import Foundation
import Support
public import Transformer

/// `tokenizer`: a vocabulary from texts.
struct TokenizerCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tokenizer",
    abstract: "Learn a byte-level BPE tokenizer from texts.",
    discussion: """
      Writes tokenizer.json and tokenizer_config.json, which 'tokenize', 'train' and the Hugging \
      Face libraries read. An --output that ends in .json is the tokenizer.json alone.

      EXAMPLES
        apus-pretrain tokenizer book.txt --output tokenizer
        apus-pretrain tokenizer a.txt b.txt --output tokenizer --vocabulary 16384 --pattern qwen2
        apus-pretrain tokenizer chat.txt --output tokenizer --special '<|user|>' '<|assistant|>'
      """
  )

  @Argument(help: "Texts, in UTF-8; they may be larger than the memory.")
  var texts: [String]
  @Option(name: .shortAndLong, help: ArgumentHelp("A folder, or a .json file.", valueName: "path"))
  var output: String
  @Option(help: "V, the tokens: the special ones, 256 bytes, and merged pairs.")
  var vocabulary = 4096
  @Option(
    name: [.customLong("minimum-frequency"), .customLong("min-frequency")],
    help: "How often a pair must occur to become a token."
  )
  var minimumFrequency = 2
  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Tokens that mark structure; they take the first ids.", valueName: "token")
  )
  var special: [String] = []
  @Option(help: ArgumentHelp("The token that opens a text; none by default.", valueName: "token"))
  var bos = ""
  @Option(help: ArgumentHelp("The token that ends a text; '' for none.", valueName: "token"))
  var eos = "<|endoftext|>"
  @Option(help: "How text is cut before merging: gpt2, llama3, qwen2 or smollm.")
  var pattern = PreTokenPattern.gpt2
  @Option(help: "Merged tokens of three bytes and more are shorter than this.")
  var maximumTokenLength: Int?
  @OptionGroup(title: "Machine") var machine: ThreadArguments
  @OptionGroup(title: "Output") var display: OutputArguments

  func run() throws {
    machine.apply()
    let start = secondsOfUptime()
    var trainer = try BytePairTrainer(options())
    try TextParts(texts, display.progress("counting", unit: "texts")).forEach { part in
      trainer.append(part)
    } endOfText: {
      trainer.endText()
    }
    let reporter = display.progress("merging", unit: "tokens")
    let learned = try trainer.train(shouldStop: { Cancellation.isRequested }) { progress in
      reporter.update(completed: progress.completed, total: progress.total)
    }
    reporter.clear()
    try Cancellation.check("nothing was written")
    let files = try write(learned)
    let summary = Summary(learned, files: files, seconds: secondsOfUptime() - start)
    try StandardStream.output.writeLine(display.json ? jsonText(summary) : summary.text)
  }

  private func options() -> BytePairOptions {
    let (bos, eos) = (self.bos.isEmpty ? nil : self.bos, self.eos.isEmpty ? nil : self.eos)
    var tokens = special
    for token in [bos, eos] {
      if let token, !tokens.contains(token) { tokens.append(token) }
    }
    var options = BytePairOptions(
      vocabularyCount: vocabulary,
      specialTokens: tokens,
      pattern: pattern
    )
    options.minimumFrequency = minimumFrequency
    options.maximumTokenLength = maximumTokenLength
    options.bosToken = bos
    options.eosToken = eos
    return options
  }

  /// Writes the documents; their paths.
  private func write(_ learned: BytePairVocabulary) throws -> [String] {
    let documents = learned.documents()
    if output.hasSuffix(".json") {
      try AtomicFile.write(documents["tokenizer.json"] ?? Data(), to: output)
      return [output]
    }
    try makeOutputFolder(output)
    var paths: [String] = []
    for (name, data) in documents.sorted(by: { $0.key < $1.key }) {
      paths.append(output + "/" + name)
      try AtomicFile.write(data, to: output + "/" + name)
    }
    return paths
  }
}

/// What `tokenizer` has learned.
private struct Summary: Encodable {
  var vocabulary: Int
  var merges: Int
  var ending: BytePairVocabulary.Ending
  var bytes: Int
  var pieces: Int
  var longestToken: String
  var seconds: Double
  var files: [String]

  init(_ learned: BytePairVocabulary, files: [String], seconds: Double) {
    vocabulary = learned.tokens.count
    merges = learned.merges.count
    ending = learned.ending
    bytes = learned.byteCount
    pieces = learned.pieceCount
    let ordinary = learned.tokens.dropFirst(learned.options.specialTokens.count)
    longestToken = ordinary.max { $0.unicodeScalars.count < $1.unicodeScalars.count } ?? ""
    self.files = files
    self.seconds = seconds
  }

  /// A table for people.
  var text: String {
    var table = Table(["result", .number("value")])
    table.add("tokens", vocabulary.grouped)
    table.add("merges", merges.grouped)
    table.add("ending", ending.rawValue)
    table.add("bytes of text", bytes.grouped)
    table.add("distinct pieces", pieces.grouped)
    table.add("longest token", longestToken)
    table.add("seconds", seconds.fixed(2))
    for file in files { table.add("written", file) }
    return table.text(width: StandardStream.output.columnCount)
  }
}

extension PreTokenPattern: ExpressibleByArgument {}
