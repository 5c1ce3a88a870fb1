import ArgumentParser
import Foundation
import Support
import Transformer

/// `embed`: texts to vectors.
struct EmbedCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "embed",
    abstract: "Make vectors of sentences, for the other commands.",
    discussion: """
      A line of a file is a sample; empty lines are left out. Its vector is the mean of the encoder's \
      states at length 1, as sentence-transformers has it. The encoder is a folder of a BERT with its \
      tokenizer; 'Tools/fetch-models minilm' fetches all-MiniLM-L6-v2. A class before the file \
      (CLASS=FILE) labels its samples, which 'eval', 'train --novel' and 'report' understand. The \
      output ends in .safetensors, or in .npy for vectors without classes. A row's number is that of \
      its line among those that are not empty, file after file.

      EXAMPLES
        apus-novelty embed mails.txt --encoder all-MiniLM-L6-v2 --output mails.safetensors
        apus-novelty embed prose=book.txt code=notes.txt --encoder all-MiniLM-L6-v2 \\
          --output kinds.safetensors
        apus-novelty eval kinds.safetensors --output study --methods knn mahalanobis oaae
      """
  )

  @Argument(
    help: ArgumentHelp("Texts in UTF-8, a sample a line.", valueName: "[class=]file")
  )
  var files: [LabelledPath]
  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("The encoder: a Hugging Face folder or a GGUF file.", valueName: "model")
  )
  var encoder: String
  @Option(name: .shortAndLong, help: ArgumentHelp("The file to write.", valueName: "file"))
  var output: String
  @Option(help: "The texts of a pass.")
  var batch = 32
  @OptionGroup(title: "Machine") var machine: ThreadArguments
  @OptionGroup(title: "Output") var display: OutputArguments

  func validate() throws {
    guard (1...1024).contains(batch) else { throw ValidationError("--batch must be 1 to 1024") }
    try files.checkLabels()
  }

  func run() throws {
    machine.apply()
    let hasClasses = files.contains { $0.label != nil }
    try SampleFile.check(output, hasClasses: hasClasses)
    let texts = try TextLines(files)
    let encoder = try SentenceEncoder(PretrainedModel(at: URL(filePath: encoder)))
    let start = secondsOfUptime()
    let reporter = display.progress("embedding", unit: "texts")
    let found = encoder(texts.lines, batchSize: batch) { done in
      reporter.update(completed: done, total: texts.lines.count)
      return !Cancellation.isRequested
    }
    reporter.clear()
    try Cancellation.check("nothing was written")
    try SampleFile.write(found.vectors, classes: texts.classes, to: output)
    let summary = EmbeddingSummary(
      file: output,
      samples: texts.lines.count,
      width: encoder.width,
      classes: texts.classCounts,
      emptyLines: texts.emptyLines,
      cutTexts: found.cutTexts.count,
      seconds: secondsOfUptime() - start
    )
    let stream = StandardStream.output
    try stream.writeLine(
      display.json ? jsonText(summary) : summary.table.text(width: stream.columnCount)
    )
  }
}

/// The lines of files that are not empty.
private struct TextLines {
  private(set) var lines: [String] = []
  /// The class of each line; nil without classes.
  private(set) var classes: [String]?
  private(set) var emptyLines = 0

  init(_ files: [LabelledPath]) throws {
    if files.contains(where: { $0.label != nil }) { classes = [] }
    for file in files {
      let all = try TextFile(path: file.path).text.split(
        omittingEmptySubsequences: false,
        whereSeparator: \.isNewline
      )
      let kept = all.filter { line in line.contains { !$0.isWhitespace } }
      lines += kept.map { String($0) }
      // What follows the last line's end is no line.
      emptyLines += all.count - kept.count - (all.last?.isEmpty == true ? 1 : 0)
      if let label = file.label { classes? += kept.map { _ in label } }
    }
  }

  var classCounts: [String: Int]? {
    classes.map { Dictionary($0.map { ($0, 1) }, uniquingKeysWith: +) }
  }
}

/// What `embed` did.
private struct EmbeddingSummary: Encodable {
  var file: String
  var samples: Int
  var width: Int
  var classes: [String: Int]?
  var emptyLines: Int
  var cutTexts: Int
  var seconds: Double

  var table: Table {
    var table = Table(["result", .number("value")])
    table.add("file", file)
    table.add("samples", samples.grouped)
    table.add("numbers a sample", width.grouped)
    for (name, count) in (classes ?? [:]).sorted(by: { $0.key < $1.key }) {
      table.add("class \(name)", count.grouped)
    }
    if emptyLines > 0 { table.add("empty lines, left out", emptyLines.grouped) }
    if cutTexts > 0 { table.add("texts that were cut at the encoder's context", cutTexts.grouped) }
    table.add("time", durationText(seconds))
    return table
  }
}
