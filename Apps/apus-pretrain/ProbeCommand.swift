import ArgumentParser
import Foundation
import Support
import Tensor
import Transformer

/// `probe`: the hidden states of any decoder by depth.
struct ProbeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "probe",
    abstract: "Measure variance, largest activations and gradients by depth.",
    discussion: """
      Reads any decoder: a Hugging Face folder, a GGUF file or the model of a run. The tokens \
      must come from its tokenizer; a --text is tokenized here.

      EXAMPLES
        apus-pretrain probe run/model --tokens book.tokens
        apus-pretrain probe SmolLM2-135M-Instruct.gguf --text wiki.txt --length 512
      """
  )

  @Argument(help: "A model folder or .gguf file.")
  var model: String
  @Option(help: ArgumentHelp("A packed token file.", valueName: "file"))
  var tokens: String?
  @Option(help: ArgumentHelp("A text, in UTF-8.", valueName: "file"))
  var text: String?
  @Option(help: "The tokens of a window; 128, or the model's context, by default.")
  var length: Int?
  @Option(help: "The windows, evenly over the text.")
  var windows = 4
  @Flag(help: "Also compute gradients by depth, which takes the weights as floats in memory.")
  var gradients = false
  @OptionGroup(title: "Output") var display: OutputArguments

  func validate() throws {
    guard (tokens == nil) != (text == nil) else {
      throw ValidationError("give either --tokens or --text")
    }
    guard length ?? 1 > 0, 1...65_536 ~= windows else {
      throw ValidationError("--length must be above 0, --windows between 1 and 65,536")
    }
  }

  func run() throws {
    let pretrained = try PretrainedModel(at: URL(filePath: model))
    let length = length ?? min(128, pretrained.configuration.contextLength)
    let file: TokenFile
    if let tokens {
      file = try TokenFile(path: tokens)
    } else {
      let text = try TextFile(path: self.text ?? "")
      let ids = try pretrained.requireTokenizer().encode(text.text)
      file = TokenFile(ids, vocabularyCount: pretrained.configuration.vocabularyCount)
    }
    guard file.vocabularyCount <= pretrained.configuration.vocabularyCount else {
      throw CommandFailure("\(file.path) was made for a larger vocabulary than the model's")
    }
    guard length <= pretrained.configuration.contextLength else {
      throw CommandFailure(
        "--length \(length) exceeds the context of \(pretrained.configuration.contextLength)"
      )
    }
    let data = TokenWindows(file, length: length, count: windows)
    guard data.count > 0 else {
      throw CommandFailure("the text has \(file.count) tokens, \(length + 1) are needed")
    }
    let batch = data[Array(0..<windows)]
    let report = try pretrained.makeModel(isTrainable: gradients)
      .probeStability(batch.tokens, targets: batch.targets, gradients: gradients)
    let stream = StandardStream.output
    try stream.writeLine(
      display.json ? jsonText(report) : Self.table(report).text(width: stream.columnCount)
    )
  }

  static func table(_ report: StabilityReport) -> Table {
    var table = Table([
      .number("depth"), .number("variance"), .number("largest"), .number("attention"),
      .number("hidden"), .number("feed-forward"), .number("gradient"),
    ])
    for (depth, stream) in report.streams.enumerated() {
      var cells = ["\(depth)", stream.variance.short, stream.maximum.short]
      if depth > 0 {
        let block = report.blocks[depth - 1]
        cells += [
          block.attentionMaximum.short, block.hiddenMaximum.short, block.feedForwardMaximum.short,
          block.gradientNorm?.short ?? "",
        ]
      }
      table.add(cells)
    }
    return table
  }
}

extension Double {
  /// Four significant digits.
  var short: String { String(format: "%.4g", self) }
}
