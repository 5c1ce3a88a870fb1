import ArgumentParser
import Checkpoints
import Foundation
import ModelSupport
import Quantization
import Support
import Transformer

/// `memory`: what each method takes.
struct MemoryCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "memory",
    abstract: "Show what full fine-tuning, LoRA, PEQA and AlphaTuning take for a model.",
    discussion: """
      Computed from the model's shapes; no weights are read, and a folder with config.json alone, or \
      that file, will do. Weights are counted as they lie in memory \
      while they train, adapters included; gradients and the two moments of Adam as float32; copies are \
      the float32 masters of what trains in less; task is what one task needs beside the shared model. \
      The values that a step keeps for the backward pass are not counted. --run puts what a run of \
      'train' really took beside it, those values and everything else included.

      EXAMPLES
        apus-finetune memory SmolLM2-135M
        apus-finetune memory SmolLM2-135M --run law --run full
        apus-finetune memory SmolLM2-135M --bits 3 --group-size 64 --planes 2 --rank 4
      """
  )

  @Argument(help: "A model folder, a config.json or a .gguf file.")
  var model: String

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "PEQA: bits of a code. (default: those of a quantized model, else 4)",
      valueName: "1-8"
    )
  )
  var bits: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "PEQA and AlphaTuning: inputs that share a scale. (default: a row)",
      valueName: "inputs"
    )
  )
  var groupSize: Int?

  @Option(help: ArgumentHelp("AlphaTuning: binary planes.", valueName: "1-8"))
  var planes = BaseArguments.defaultPlanes

  @Option(help: ArgumentHelp("AlphaTuning: planes whose scales are trained.", valueName: "count"))
  var trainedPlanes = 1

  @Option(help: ArgumentHelp("LoRA: the rank.", valueName: "count"))
  var rank = LowRankArguments.defaultRank

  @Option(
    help: ArgumentHelp(
      "LoRA: the layers with adapters. (default: the maps to queries and values)",
      valueName: "names"
    )
  )
  var targets: String?

  @Option(
    help: """
      How weights and scales that are no codes are stored: float16 is the papers' setup, with a float32 \
      copy of what trains; float32 is what 'train' keeps of models in float32.
      """
  )
  var floatType = ScaleType.float16

  @Option(
    name: .customLong("run"),
    help: ArgumentHelp("The folder of a finished run; may be repeated.", valueName: "folder")
  )
  var runs: [String] = []

  @Flag(help: "Write one JSON document.")
  var json = false

  func validate() throws {
    for (name, value) in [("--bits", bits ?? 4), ("--planes", planes)] where !(1...8 ~= value) {
      throw ValidationError("\(name) \(value) must lie between 1 and 8")
    }
    guard 1...planes ~= trainedPlanes else {
      throw ValidationError("--trained-planes \(trainedPlanes) must lie between 1 and \(planes)")
    }
    guard 1...1 << 30 ~= groupSize ?? 1, 1...65536 ~= rank else {
      throw ValidationError("--group-size and --rank must be above 0, and no larger than any layer")
    }
  }

  func run() throws {
    let (shape, storedBits) = try shape()
    var settings = MemoryTable.Settings()
    settings.bits = bits ?? storedBits ?? 4
    (settings.groupSize, settings.planeGroupSize) = (groupSize, groupSize)
    settings.planes = planes
    settings.trainedPlanes = trainedPlanes
    settings.rank = rank
    if let targets { settings.targets = LowRankArguments.names(in: targets) }
    guard !settings.targets.isEmpty else {
      throw CommandFailure("--targets is empty; name at least one layer", code: .usage)
    }
    (settings.floatType, settings.trainedType) = (floatType, floatType)
    var table = MemoryTable(shape, settings)
    table.runs = try runs.map { try MeasuredRun($0, parameters: table.parameters) }
    guard table.unknownTargets.isEmpty else {
      let names = Set(
        shape.layers.compactMap { layer in
          layer.name.split(separator: ".").last.map(String.init)
        }
      )
      throw CommandFailure(
        "--targets: \(table.unknownTargets.joined(separator: ", ")) is no layer of \(model); there are "
          + names.sorted().joined(separator: ", "),
        code: .usage
      )
    }
    let stream = StandardStream.output
    try stream.writeLine(
      json ? jsonText(table) : table.table.text(width: stream.columnCount)
    )
    if let reason = shape.lackOfLowRank {
      try StandardStream.error.writeLine("note: 'train' has no LoRA here: \(reason)")
    }
  }

  /// The shape of the model, from its configuration alone where there are no weights beside it, and the bits
  /// of its codes where it has some.
  private func shape() throws -> (ModelShape, bits: Int?) {
    let url = URL(filePath: model)
    let names = (try? FileManager.default.contentsOfDirectory(atPath: model)) ?? []
    let isFile = url.pathExtension == "json"
    let isBare = names.contains("config.json") && !names.contains { $0.hasSuffix(".safetensors") }
    guard isFile || isBare else {
      let file = try ModelFile(path: model)
      let bits: Int? =
        switch file.quantization {
        case .own(let settings)?: settings.scheme.weightScheme?.grid.bits
        case .other(let settings)?: settings.bits
        case nil: nil
        }
      return (ModelShape(file.pretrained.configuration), bits)
    }
    let place = isFile ? url : url.appending(path: "config.json")
    if let document = try? JSONValue.read(place.path(percentEncoded: false)),
      let shape = ModelShape(unloadable: document)
    {
      return (shape, nil)
    }
    return (ModelShape(try TransformerConfiguration(contentsOf: place)), nil)
  }
}
