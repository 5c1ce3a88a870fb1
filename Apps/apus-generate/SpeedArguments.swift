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
    help: ArgumentHelp(
      "With --bench: the tokens that stand before the prompt, and before those that are written.",
      valueName: "count"
    )
  )
  var benchDepth = 0

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
    guard bench || (benchPrompt, benchTokens, benchDepth, repetitions) == (512, 128, 0, 5) else {
      throw ValidationError(
        "--bench-prompt, --bench-tokens, --bench-depth and --repetitions belong to --bench"
      )
    }
    guard benchPrompt >= 0, benchTokens >= 0, benchPrompt + benchTokens > 0 else {
      throw ValidationError("--bench-prompt and --bench-tokens leave nothing to measure")
    }
    guard benchDepth >= 0 else {
      throw ValidationError("--bench-depth \(benchDepth) is too small; choose at least 0")
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
    // Each may be as large as Int: what they sum to may not be one.
    let room = configuration.contextLength
    guard benchDepth <= room, max(benchPrompt, benchTokens) <= room - benchDepth else {
      throw CommandFailure(
        "\(variant.name) has room for \(room.grouped) tokens; choose fewer for --bench-prompt, "
          + "--bench-tokens and --bench-depth",
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
    let cache = model.makeCache()
    try Self.read(Self.tokens(benchDepth, for: model), model, cache, progress)
    for count in counts {
      WorkPool.threadCount = count
      for (tokens, isPrompt) in tests {
        var result = SpeedResult(
          variant,
          settings,
          tokens: tokens,
          isPrompt: isPrompt,
          depth: benchDepth
        )
        // The first run finds cold caches and no pages: it does not count.
        for repetition in 0...repetitions {
          cache.truncate(to: benchDepth)
          let seconds = try Self.seconds(model, cache, tokens: tokens, isPrompt: isPrompt)
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

  /// Random tokens.
  private static func tokens(_ count: Int, for model: DecoderModel) -> [Int32] {
    var generator = Philox(seed: 1)
    let vocabulary = model.configuration.vocabularyCount
    return (0..<count).map { _ in
      Int32(Int(generator.uniform() * Float(vocabulary)) % vocabulary)
    }
  }

  /// Puts tokens into a cache, some at a time.
  private static func read(
    _ ids: [Int32],
    _ model: DecoderModel,
    _ cache: KeyValueCache,
    _ progress: ProgressReporter
  ) throws {
    for start in stride(from: 0, to: ids.count, by: 256) {
      try Cancellation.check()
      progress.update(completed: start, total: ids.count, note: "tokens that stand before")
      let part = Array(ids[start..<min(start + 256, ids.count)])
      _ = model.nextTokenLogits(part, cache: cache)
    }
  }

  /// Reads random tokens behind those of a cache, at once or one after the other, each with its logits.
  private static func seconds(
    _ model: DecoderModel,
    _ cache: KeyValueCache,
    tokens: Int,
    isPrompt: Bool
  ) throws -> Double {
    let ids = Self.tokens(tokens, for: model)
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
