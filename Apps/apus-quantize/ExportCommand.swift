import ArgumentParser
import Foundation
import Support
import Tensor
import Transformer

/// `export`: a model as a Hugging Face folder.
struct ExportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Write a model as a Hugging Face folder, which other tools read.",
    discussion: """
      EXAMPLES
        apus-quantize export gemma-3-270m.gguf --output gemma-3-270m --type bfloat16
      """
  )

  /// How numbers are stored.
  enum Storage: String, ExpressibleByArgument, CaseIterable {
    case float32
    case float16
    case bfloat16
  }

  @Argument(help: "A model folder or .gguf file.")
  var model: String

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("The folder to write; must not exist.", valueName: "folder")
  )
  var output: String

  @Option(help: "How numbers are stored: float32, float16 or bfloat16.")
  var type = Storage.float32

  func run() throws {
    let pretrained = try PretrainedModel(at: URL(filePath: model))
    let element: ElementType =
      switch type {
      case .float32: .float32
      case .float16: .float16
      case .bfloat16: .bfloat16
      }
    try pretrained.save(to: URL(filePath: output), as: element)
    try StandardStream.output.writeLine(
      "\(output): \(pretrained.family.rawValue), "
        + "\(pretrained.parameterCount.counted("parameter")) in \(type.rawValue)"
    )
    if pretrained.family == .apus {
      try StandardStream.error.writeLine(
        "note: no released family has this shape; the transformers library does not know it"
      )
    }
  }
}
