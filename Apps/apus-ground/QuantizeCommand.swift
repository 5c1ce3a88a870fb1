import ArgumentParser
import Autograd
import Foundation
import GUIGrounding
import Quantization
import Support

/// `quantize`: codes in place of weights.
struct QuantizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "quantize",
    abstract: "Round the linear layers of a native policy to a few bits.",
    discussion: """
      Weights are rounded to nearest: W4 has a step size for each output, W4G64 for 64 inputs of one. The \
      file is a policy like any other for 'ground', 'search', 'eval', 'export' and 'speed', which compute \
      from the codes; it cannot be trained. Convolutions, tables and norms stay in floats.

      Products with codes are faster than those with floats from a width of 256 on, and slower below \
      128: see 'speed'.

      EXAMPLES
        apus-ground quantize rl --scheme W4 --output rl-w4.safetensors
        apus-ground quantize rl --scheme W3G64 --range mse --keep head stem --output rl-w3.safetensors
        apus-ground speed rl rl-w4.safetensors --threads 1
      """
  )

  @Argument(help: "A native policy in full precision: its file or the folder of its run.")
  var model: String
  @Option(help: ArgumentHelp("What weights are rounded to.", valueName: "name"))
  var scheme = "W4"
  @Option(help: "How the range of weights that share a step size is found.")
  var range = RangeEstimation.minMax
  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Layers that stay in floats: their names, or those of what they are in.",
      valueName: "layers"
    )
  )
  var keep = ["gates"]
  @Option(name: .shortAndLong, help: ArgumentHelp("The file to write.", valueName: "file"))
  var output: String
  @OptionGroup(title: "Machine") var machine: ThreadArguments
  @OptionGroup(title: "Output") var display: OutputArguments

  func validate() throws {
    guard !output.isEmpty else { throw ValidationError("--output must not be empty") }
    do { _ = try weightScheme() } catch QuantizationError.invalidScheme(let reason) {
      throw ValidationError("--scheme: \(reason)")
    }
  }

  private func weightScheme() throws -> WeightScheme {
    let named = try NamedScheme(scheme, range: range)
    guard named.activations == nil, named.keyValueBits == nil else {
      throw ValidationError(
        "--scheme \(scheme) rounds more than weights; name them alone, as in W4"
      )
    }
    return named.weights
  }

  func run() throws {
    machine.apply()
    let policy = try NativeFile.readFloats(model)
    let scheme = try weightScheme()
    let result = try PolicyQuantization(scheme: scheme, kept: keep).codes(of: policy)
    try policy.write(to: output, codes: result.codes, quantization: result.document)
    let report = PolicyQuantizationReport(
      scheme: self.scheme.uppercased(),
      layers: result.layers,
      parameterCount: policy.parameterCount.total,
      byteCount: try fileBytes(output),
      sourceByteCount: try fileBytes(NativeFile.path(model))
    )
    let stream = StandardStream.output
    if display.json { return try stream.writeLine(jsonText(report)) }
    try stream.writeLine(report.table.text(width: stream.columnCount))
    try stream.writeLine("\n" + report.summary)
  }

  private func fileBytes(_ path: String) throws -> Int {
    let attributes = try FileManager.default.attributesOfItem(atPath: path)
    return (attributes[.size] as? NSNumber)?.intValue ?? 0
  }
}

/// What `quantize` writes.
private struct PolicyQuantizationReport: Encodable {
  var scheme: String
  var layers: [QuantizedLayerReport]
  var parameterCount: Int
  /// The bytes of both files.
  var byteCount: Int
  var sourceByteCount: Int

  var quantizedCount: Int { layers.reduce(0) { $0 + $1.outputs * $1.inputs } }

  var table: Table {
    var table = Table(["layer", .number("shape"), .number("bytes"), .number("relative error")])
    for layer in layers {
      table.add(
        layer.name,
        "\(layer.outputs)×\(layer.inputs)",
        layer.byteCount.grouped,
        layer.relativeError.short
      )
    }
    return table
  }

  var summary: String {
    let share = Double(quantizedCount) / Double(max(parameterCount, 1))
    return "\(layers.count.counted("layer")) at \(scheme), \((100 * share).fixed(1)) % of "
      + "\(parameterCount.grouped) numbers; \(Support.byteCount(sourceByteCount)) → "
      + Support.byteCount(byteCount)
  }
}
