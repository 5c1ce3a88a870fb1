import ArgumentParser
import ModelSupport

/// Which models are used, and how they compute.
struct ModelArguments: ParsableArguments {
  @Option(
    name: .customLong("also"),
    help: ArgumentHelp(
      "Another model, which gets the same prompts; may be repeated.",
      valueName: "model"
    )
  )
  var others: [String] = []

  @Option(
    name: .customLong("adapter"),
    help: ArgumentHelp(
      "A task that a model was tuned to: a file of scales, a folder of low-rank adapters, or the "
        + "folder of a run. May be repeated: each of them writes.",
      valueName: "path"
    )
  )
  var adapters: [String] = []

  @OptionGroup
  var computation: ComputationArguments
}
