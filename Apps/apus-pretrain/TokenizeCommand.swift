import ArgumentParser
import Foundation
import Support
import Transformer

/// `tokenize`: texts to packed tokens.
struct TokenizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tokenize",
    abstract: "Pack texts into a file of tokens.",
    discussion: """
      Without a tokenizer every byte is a token. With one, each text ends with the tokenizer's \
      end-of-text token, if it has one. Texts of byte-level tokenizers stream: they may be larger \
      than the memory.

      EXAMPLES
        apus-pretrain tokenize book.txt --output book.tokens
        apus-pretrain tokenize a.txt b.txt --tokenizer tokenizer --output ab.tokens
      """
  )

  @Argument(help: "Texts, in UTF-8.")
  var texts: [String]
  @Option(name: .shortAndLong, help: ArgumentHelp("The packed file.", valueName: "file"))
  var output: String
  @Option(help: ArgumentHelp("A tokenizer.json, or the folder that has it.", valueName: "path"))
  var tokenizer: String?
  @OptionGroup(title: "Output") var display: OutputArguments

  func run() throws {
    let folder = try tokenizer.map { try TokenizerFolder(path: $0) }
    let writer = try TokenFileWriter(
      path: output,
      vocabularyCount: folder?.tokenizer.vocabularyCount ?? 256,
      tokenizer: folder?.fingerprint ?? "bytes"
    )
    var encoder = folder?.tokenizer.makeStreamEncoder()
    try TextParts(texts, display.progress("tokenizing", unit: "texts")).forEach { part in
      guard encoder != nil else { return try writer.append(bytes: Array(part.utf8)) }
      try writer.append(encoder?.append(part) ?? [])
    } endOfText: {
      try writer.append(encoder?.finish() ?? [])
      if let end = folder?.tokenizer.eosID { try writer.append([end]) }
    }
    try writer.finish()
    try StandardStream.output.writeLine(
      display.json
        ? jsonText(
          Summary(file: output, tokens: writer.count, vocabulary: writer.vocabularyCount)
        )
        : "\(output): \(writer.count.counted("token")) of \(writer.vocabularyCount.grouped)"
    )
  }

  private struct Summary: Encodable {
    var file: String
    var tokens: Int
    var vocabulary: Int
  }
}
