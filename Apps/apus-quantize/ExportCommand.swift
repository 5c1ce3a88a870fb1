import ArgumentParser
import Checkpoints
import ModelSupport
import Quantization
import Support

/// `export`: a model in a format that other tools read.
struct ExportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Write a model in a format that other tools read.",
    discussion: """
      huggingface writes a folder of floating-point numbers, whatever the model is. gptq, \
      compressed-tensors and awq write a model that 'run' has quantized with the very codes that \
      it has. gguf writes quantized and other models as one file; --gguf-type auto keeps codes and \
      numbers as they are, other types round a model of floats. What a format cannot hold exactly \
      is refused with the reason; what is lost otherwise is said at the end.

      EXAMPLES
        apus-quantize export gemma-3-270m.gguf --output gemma-3-270m --type bfloat16
        apus-quantize export small --format gguf --output small.gguf
        apus-quantize export small --format gptq --output small-gptq
        apus-quantize export SmolLM2-135M --format gguf --gguf-type q4_0 --output smollm2.gguf
      """
  )

  @Argument(help: "A model folder or .gguf file.")
  var model: String

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("The folder or .gguf file to write; must not exist.", valueName: "path")
  )
  var output: String

  @Option(help: "The format: huggingface, gptq, compressed-tensors, awq or gguf.")
  var format = ExportFormat.huggingFace

  @Option(
    help: "How --format huggingface stores numbers: float32 (default), float16 or bfloat16."
  )
  var type: FloatStorage?

  @Option(
    help: ArgumentHelp(
      "How --format gguf stores matrices: auto (default), f32, f16, bf16, q8_0, q5_1, q5_0, q4_1, "
        + "q4_0, q4_k or q2_k.",
      valueName: "type"
    )
  )
  var ggufType: GGUFStorage?

  @Flag(help: "Round scales that half precision does not hold, instead of refusing them.")
  var roundScales = false

  @OptionGroup(title: "Output")
  var style: OutputArguments

  func validate() throws {
    if type != nil && format != .huggingFace {
      throw ValidationError("--type belongs to --format huggingface; leave it out")
    }
    if ggufType != nil && format != .gguf {
      throw ValidationError("--gguf-type belongs to --format gguf; add it or leave it out")
    }
  }

  func run() throws {
    let export = ModelExport(
      file: try ModelFile(path: model),
      output: output,
      stepSizes: roundScales ? .nearest : .refused
    )
    let progress = style.progress("exporting", unit: "tensors")
    defer { progress.clear() }
    var summary: ExportSummary
    do {
      summary = try export.run(format, floats: type ?? .float32, gguf: ggufType ?? .auto) { state in
        progress.update(
          completed: state.finished,
          total: state.total,
          note: state.current ?? ""
        )
        return !Cancellation.isRequested
      }
    } catch QuantizationError.cancelled {
      try Cancellation.check("nothing was written")
      throw QuantizationError.cancelled
    }
    progress.finish()
    if case .own(let configuration) = export.file.quantization,
      configuration.activations != nil || configuration.keyValueBits != nil
    {
      summary.notes.append(
        "activations, keys and values are not rounded in the exported model: it holds weights alone"
      )
    }
    try StandardStream.output.writeLine(style.json ? jsonText(summary) : summary.text)
    for note in style.json ? [] : summary.notes {
      try StandardStream.error.writeLine("note: \(note)")
    }
  }
}

/// What `--format` names.
enum ExportFormat: String, ExpressibleByArgument, CaseIterable {
  case huggingFace = "huggingface"
  case gptq
  case compressedTensors = "compressed-tensors"
  case awq
  case gguf
}

/// What `--type` names.
enum FloatStorage: String, ExpressibleByArgument, CaseIterable {
  case float32
  case float16
  case bfloat16
}

/// What `--gguf-type` names.
enum GGUFStorage: String, ExpressibleByArgument, CaseIterable {
  case auto
  case f32
  case f16
  case bf16
  case q8_0
  case q5_1
  case q5_0
  case q4_1
  case q4_0
  case q4_k
  case q2_k

  /// What the library calls it.
  var storage: GGUFExporter.Storage {
    switch self {
    case .auto: .automatic
    case .f32: .type(.float32)
    case .f16: .type(.float16)
    case .bf16: .type(.bfloat16)
    case .q8_0: .type(.q8_0)
    case .q5_1: .type(.q5_1)
    case .q5_0: .type(.q5_0)
    case .q4_1: .type(.q4_1)
    case .q4_0: .type(.q4_0)
    case .q4_k: .type(.q4_K)
    case .q2_k: .type(.q2_K)
    }
  }
}
