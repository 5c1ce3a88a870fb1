import ArgumentParser
import Checkpoints
import Federated
import ModelSupport
import Quantization
import Support

/// `scales`: between a quantized model, the start of a federation that tunes it, and what came of it.
struct ScalesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "scales",
    abstract: "Write the step sizes of a quantized model, or turn tuned ones into an adapter.",
    discussion: """
      A server that is not ours, such as Flower's, needs the numbers that a federation with --base \
      starts from: a safetensors file with a tensor for each layer, LAYER.scale. With --tuned the file \
      that the server ends with becomes an adapter, which belongs to this base alone and which \
      apus-generate, apus-serve and apus-finetune take.

      EXAMPLES
        apus-federate scales small-4bit --output start.safetensors
        apus-federate scales small-4bit --tuned end.safetensors --task letters --output letters.safetensors
      """
  )

  @Argument(help: ArgumentHelp("The quantized model.", valueName: "folder"))
  var base: String
  @Option(help: ArgumentHelp("Step sizes that devices have tuned.", valueName: "file"))
  var tuned: String?
  @Option(help: "With --tuned: the name of the task.")
  var task = "federated"
  @Option(name: .shortAndLong, help: ArgumentHelp("The file to write.", valueName: "file"))
  var output: String

  func run() throws {
    let base = try TunedBase(ModelFile(path: base))
    guard let tuned else {
      return try SafetensorsFile.write(base.parameters.dictionary, to: output)
    }
    let file = try SafetensorsFile(path: tuned)
    let scales = ParameterSet(
      try base.parameters.names.map { ($0, try file.tensor(named: $0, as: Float.self)) }
    )
    let adapter: ScaleAdapter
    do throws(FederatedError) {
      adapter = try base.adapter(of: scales, task: task, rounds: 0)
    } catch {
      throw CommandFailure("\(tuned): \(error)")
    }
    try adapter.write(to: output)
  }
}
