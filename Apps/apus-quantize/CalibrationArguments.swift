public import ArgumentParser
import ModelSupport
public import Quantization
import Support
import Tensor
import Transformer

extension BlockQuantizerSettings.Prefix: ExpressibleByArgument {}
extension BlockQuantizerSettings.LastBlockLoss: ExpressibleByArgument {}
extension AdaDim.Selection: ExpressibleByArgument {}

/// What a method learns from, and how hard it tries.
struct CalibrationArguments: ParsableArguments {
  /// How much time a method gets.
  enum Effort: String, ExpressibleByArgument, CaseIterable {
    case fast
    case normal
    case thorough

    /// The samples and their tokens.
    var samples: (count: Int, length: Int) {
      switch self {
      case .fast: (32, 256)
      case .normal: (64, 512)
      case .thorough: (128, 512)
      }
    }

    /// The updates of learned rounding and their samples.
    var steps: (count: Int, batch: Int) {
      switch self {
      case .fast: (60, 2)
      case .normal: (150, 2)
      case .thorough: (500, 4)
      }
    }
  }

  @Option(
    help: ArgumentHelp(
      "The text that methods other than rtn and bcq learn from, in UTF-8.",
      valueName: "file"
    )
  )
  var calibration: String?

  @Option(
    help: """
      How much time a method gets: fast learns in minutes for 135M parameters on 2 cores, normal in a \
      quarter of an hour, thorough in hours.
      """
  )
  var effort = Effort.normal

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Pieces of the text. (default: 32, 64 or 128)", valueName: "count")
  )
  var samples: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Tokens of a piece. (default: 256 or 512)", valueName: "tokens")
  )
  var sampleLength: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Updates of learned rounding per block; other methods have none. (default: 60, 150 or 500)"
    )
  )
  var steps: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The first learning rate of learned rounding. (default: by the steps)")
  )
  var learningRate: Float?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The rank of lrq's scales. (default: a quarter of the shorter side)")
  )
  var rank: Int?

  @Option(
    help: """
      What adadim-gptq compares the dimensions by: nearest, as in the paper, or base, GPTQ in both.
      """
  )
  var selection = AdaDim.Selection.nearest

  @Option(help: "What a block reads while its rounding is found: quantized or original states.")
  var prefix = BlockQuantizerSettings.Prefix.quantized

  @Option(
    help: "What the last block is learned against: squared-error of its states or cross-entropy."
  )
  var lastBlock = BlockQuantizerSettings.LastBlockLoss.squaredError

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "QDrop: the share of the inputs that are quantized in a step of learned rounding.",
      valueName: "0-1"
    )
  )
  var quantizedShare: Float = 1

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The seed of everything that is drawn.", valueName: "number")
  )
  var seed: UInt64 = 0

  @Option(
    help: ArgumentHelp(
      "Where finished blocks are kept, so that a run that was stopped goes on. (default: OUTPUT.work)",
      valueName: "folder"
    )
  )
  var work: String?

  @Flag(help: "Keep the finished blocks after the run.")
  var keepWork = false

  func validate() throws {
    func require(_ value: Int?, _ range: ClosedRange<Int>, _ name: String) throws {
      guard let value, !range.contains(value) else { return }
      throw ValidationError(
        value < range.lowerBound
          ? "\(name) \(value) is too small; choose at least \(range.lowerBound)"
          : "\(name) \(value) is too large; choose at most \(range.upperBound)"
      )
    }
    try require(samples, 1...1 << 24, "--samples")
    try require(sampleLength, 2...1 << 24, "--sample-length")
    try require(steps, 0...1 << 30, "--steps")
    try require(rank, 1...65_536, "--rank")
    guard (0...1).contains(quantizedShare) else {
      throw ValidationError("--quantized-share \(quantizedShare) must be between 0 and 1")
    }
    if let learningRate, !(learningRate > 0 && learningRate.isFinite) {
      throw ValidationError("--learning-rate \(learningRate) must be above 0")
    }
  }

  /// Refuses what was typed for methods that have no use for it.
  func refuseOptions(
    withoutMeaningFor methods: Set<QuantizationConfiguration.Method>
  ) throws(ValidationError) {
    let learned: Set<QuantizationConfiguration.Method> = [.adaRound, .flexRound, .lrq]
    var typed: [String] = []
    // --steps is a part of --effort, which is one for all methods.
    if learningRate != nil { typed.append("--learning-rate") }
    if quantizedShare != 1 { typed.append("--quantized-share") }
    if lastBlock != .squaredError { typed.append("--last-block") }
    if methods.isDisjoint(with: learned), let option = typed.first ?? (rank.map { _ in "--rank" }) {
      throw ValidationError(
        "\(option) belongs to methods that learn (flexround, lrq, adaround); leave it out"
      )
    }
    if selection != .nearest, !methods.contains(.adaDimGPTQ) {
      throw ValidationError("--selection belongs to --method adadim-gptq; leave it out")
    }
    if rank != nil, !methods.contains(.lrq) {
      throw ValidationError("--rank belongs to --method lrq; leave it out")
    }
  }

  /// Refuses what was typed about a text that is not there.
  func refuseOptionsWithoutText() throws(ValidationError) {
    guard calibration == nil else { return }
    let typed: [(String, Bool)] = [
      ("--samples", samples != nil), ("--sample-length", sampleLength != nil),
      ("--steps", steps != nil), ("--effort", effort != .normal),
      ("--prefix", prefix != .quantized),
      ("--seed", seed != 0), ("--work", work != nil), ("--keep-work", keepWork),
    ]
    if let option = typed.first(where: \.1)?.0 {
      throw ValidationError("\(option) belongs to --calibration; add a text, or leave it out")
    }
  }

  /// How the codes of that method are found in a block; nil for methods that look at weights alone.
  func method(_ name: QuantizationConfiguration.Method) -> RoundingMethod? {
    let gptq = GPTQ(order: .activation, groupGrids: .fixed)
    let learning = ReconstructionSettings(
      steps: steps ?? effort.steps.count,
      batchSize: effort.steps.batch,
      learningRate: learningRate,
      quantizedInputProbability: quantizedShare
    )
    switch name {
    case .roundToNearest: return .nearest
    case .gptq: return .gptq(gptq)
    case .adaDimNearest: return .adaDim(.nearest)
    case .adaDimGPTQ: return .adaDim(.gptq(), selection: selection)
    case .adaRound: return .learned(.adaRound(), learning)
    case .flexRound: return .learned(.flexRound(), learning)
    case .lrq:
      let rank = rank.map { LRQ.Rank.fixed($0) } ?? .automatic
      return .learned(.lrq(LRQ.Configuration(rank: rank)), learning)
    case .binaryCoding: return nil
    }
  }

  /// Pieces of the calibration text, drawn without overlap.
  ///
  /// A text that is too short for the effort's number of pieces gives what it has, which a note says.
  ///
  /// - Returns: ids [S × T], each piece with the token that begins a text where the model has one.
  /// - Throws: `CommandFailure` if there is no text or too little of it.
  func samples(
    for file: ModelFile,
    seed: UInt64,
    note: (String) throws -> Void = { _ in }
  ) throws -> Tensor<Int32> {
    guard let calibration else {
      throw CommandFailure(
        "the method, or the rounding of activations, needs a text to look at; add --calibration FILE",
        code: .usage
      )
    }
    let tokenizer = try file.pretrained.requireTokenizer()
    let context = file.pretrained.configuration.contextLength
    let length = sampleLength ?? min(effort.samples.length, context)
    guard length <= context else {
      throw CommandFailure(
        "--sample-length \(length) exceeds the context of \(file.path), \(context.counted("token"))",
        code: .usage
      )
    }
    let begin = tokenizer.bosID.flatMap { tokenizer.encode("").first == $0 ? $0 : nil }
    let room = length - (begin == nil ? 0 : 1)
    let ids = try file.tokens(of: TextFile(path: calibration).text)
    let pieces = ids.count / room
    let count = samples ?? min(effort.samples.count, max(pieces, 1))
    guard pieces >= count else {
      throw CommandFailure(
        "\(calibration) has \(ids.count.counted("token")), \(count.counted("piece")) of \(room) need "
          + "\((count * room).grouped); choose a longer text or "
          + (count == 1 ? "a smaller --sample-length" : "fewer --samples")
      )
    }
    if samples == nil, count < effort.samples.count {
      try note(
        "\(calibration) has \(ids.count.counted("token")): \(count) pieces of \(room) where --effort "
          + "\(effort.rawValue) takes \(effort.samples.count)"
      )
    }
    var generator = Philox(seed: seed)
    let order = Tensor<Int32>.permutation(pieces, using: &generator).elements.prefix(count)
    let rows = order.sorted().flatMap { piece in
      (begin.map { [$0] } ?? []) + ids[Int(piece) * room..<(Int(piece) + 1) * room]
    }
    return Tensor(rows, shape: [count, length])
  }
}
