import ArgumentParser
import ModelSupport
import Support
import Tensor
import Transformer

/// How fast a model is measured, and how much of the machine is used.
struct SpeedArguments: ParsableArguments {
  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "Threads; results do not depend on their number. With --bench it may be repeated. "
        + "(default: all cores)",
      valueName: "count"
    )
  )
  var threads: [Int] = []

  @Flag(help: "Measure the speed of a prompt and of single tokens, as llama-bench does.")
  var bench = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("With --bench: the tokens of the prompt.", valueName: "count")
  )
  var benchPrompt = 512

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("With --bench: the tokens that are written.", valueName: "count")
  )
  var benchTokens = 128

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("With --bench: how often each is measured.", valueName: "count")
  )
  var repetitions = 5

  func validate() throws {
    if let threads = threads.first(where: { $0 < 1 }) {
      throw ValidationError("--threads \(threads) is too small; choose at least 1")
    }
    guard bench || threads.count < 2 else {
      throw ValidationError("--threads is repeated; that belongs to --bench")
    }
    guard benchPrompt >= 0, benchTokens >= 0, benchPrompt + benchTokens > 0 else {
      throw ValidationError("--bench-prompt and --bench-tokens leave nothing to measure")
    }
    if repetitions < 1 {
      throw ValidationError("--repetitions \(repetitions) is too small; choose at least 1")
    }
  }

  /// Sets the threads.
  func apply() { if let count = threads.first { WorkPool.threadCount = count } }

  /// The speeds of a model with each number of threads.
  func measure(
    _ variant: ModelVariant,
    _ settings: ModelArguments,
    output: OutputArguments
  ) throws -> [SpeedResult] {
    let configuration = variant.file.pretrained.configuration
    guard max(benchPrompt, benchTokens) <= configuration.contextLength else {
      throw CommandFailure(
        "\(variant.name) has room for \(configuration.contextLength.grouped) tokens; choose fewer "
          + "for --bench-prompt and --bench-tokens",
        code: .usage
      )
    }
    let model = try variant.makeModel(settings)
    var results: [SpeedResult] = []
    let tests = [(benchPrompt, true), (benchTokens, false)].filter { $0.0 > 0 }
    let counts = threads.isEmpty ? [WorkPool.threadCount] : threads
    let progress = output.progress(variant.file.name, unit: "runs")
    defer { progress.clear() }
    var done = 0
    for count in counts {
      WorkPool.threadCount = count
      for (tokens, isPrompt) in tests {
        var result = SpeedResult(variant, settings, tokens: tokens, isPrompt: isPrompt)
        // The first run finds cold caches and no pages: it does not count.
        for repetition in 0...repetitions {
          let seconds = try Self.seconds(model, tokens: tokens, isPrompt: isPrompt)
          if repetition > 0 { result.rates.append(Double(tokens) / seconds) }
          done += 1
          progress.update(
            completed: done,
            total: counts.count * tests.count * (repetitions + 1),
            note: result.test
          )
        }
        results.append(result)
      }
    }
    return results
  }

  /// Reads random tokens from an empty cache, at once or one after the other, each with its logits.
  private static func seconds(_ model: DecoderModel, tokens: Int, isPrompt: Bool) throws -> Double {
    var generator = Philox(seed: 1)
    let vocabulary = model.configuration.vocabularyCount
    let ids = (0..<tokens).map { _ in
      Int32(Int(generator.uniform() * Float(vocabulary)) % vocabulary)
    }
    let cache = model.makeCache()
    let start = secondsOfUptime()
    if isPrompt {
      _ = model.nextTokenLogits(ids, cache: cache)
    } else {
      for id in ids {
        try Cancellation.check()
        _ = model.nextTokenLogits([id], cache: cache)
      }
    }
    let seconds = secondsOfUptime() - start
    try Cancellation.check()
    return seconds
  }
}
