import ArgumentParser
import Federated
import FederationSupport
import ModelSupport
import Quantization
import Support

/// A quantized model whose step sizes the devices tune, instead of a network of their own.
struct BaseArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      A quantized model: devices tune the step sizes of its layers (PEQA) on the text files that are \
      the data, and nothing else travels.
      """,
      valueName: "folder"
    )
  )
  var base: String?
  @Option(help: "With --base: the tokens of a window of text.")
  var length = 128

  func validate() throws {
    guard (1...1 << 20).contains(length) else {
      throw ValidationError("--length must lie between 1 and 2²⁰")
    }
  }

  /// What the devices learn.
  func load(_ task: TaskArguments) throws -> any FederatedTask {
    guard let base else { return try task.load() }
    try task.checkTexts()
    return try ScaleTuningTask(
      base: base,
      texts: task.data,
      name: task.task,
      length: length,
      limit: task.trainingLimit
    )
  }

  /// Writes the tuned step sizes as a task of the base; nothing without --base.
  func write(_ model: ParameterSet, rounds: Int, task: String, to path: String) throws {
    guard let base else { return }
    try TunedBase(ModelFile(path: base)).adapter(of: model, task: task, rounds: rounds).write(
      to: path
    )
  }
}
