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
      Without a tokenizer every byte is a token.

      EXAMPLES
        apus-pretrain tokenize book.txt --output book.tokens
        apus-pretrain tokenize a.txt b.txt --tokenizer tokenizer.json --output ab.tokens
      """
  )

  @Argument(help: "Texts, in UTF-8.")
  var texts: [String]
  @Option(name: .shortAndLong, help: ArgumentHelp("The packed file.", valueName: "file"))
  var output: String
  @Option(help: ArgumentHelp("A tokenizer.json.", valueName: "file"))
  var tokenizer: String?
  @OptionGroup(title: "Output") var display: OutputArguments

  func run() throws {
    let reporter = display.progress("tokenizing", unit: "texts")
    let file: TokenFile
    if let tokenizer {
      let json = try TextFile(path: tokenizer).text
      let model = try Tokenizer(contentsOf: URL(filePath: tokenizer))
      var ids: [Int32] = []
      for (index, path) in texts.enumerated() {
        try Cancellation.check("nothing was written")
        reporter.update(completed: index, total: texts.count, note: path)
        ids += model.encode(try TextFile(path: path).text)
        if let end = model.eosID { ids.append(end) }
      }
      file = TokenFile(
        ids,
        vocabularyCount: model.vocabularyCount,
        tokenizer: TokenFile.fingerprint(Array(json.utf8))
      )
    } else {
      var bytes: [UInt8] = []
      for path in texts { bytes += try TextFile(path: path).text.utf8 }
      file = TokenFile(bytes: bytes)
    }
    try file.write(to: output)
    reporter.clear()
    try StandardStream.output.writeLine(
      "\(output): \(file.count.counted("token")) of \(file.vocabularyCount.grouped)"
    )
  }
}
