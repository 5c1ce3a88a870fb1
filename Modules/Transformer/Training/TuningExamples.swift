public import Autograd
import Tensor

/// A sequence to tune on: its tokens, and which of them the model is to learn.
public struct TuningExample: Hashable, Sendable {
  /// The tokens.
  public var tokens: [Int32]
  /// Whether the loss counts a token, for each; the first is never predicted.
  public var isTarget: [Bool]

  /// A sequence of as many marks as tokens.
  public init(tokens: [Int32], isTarget: [Bool]) {
    expect(
      tokens.count == isTarget.count,
      "tuning example: \(tokens.count) tokens, but \(isTarget.count) marks"
    )
    self.tokens = tokens
    self.isTarget = isTarget
  }

  /// How many tokens the loss counts.
  public var targetCount: Int { isTarget.dropFirst().count { $0 } }

  /// The beginning of the sequence that a model reads in `length` positions.
  func prefix(_ length: Int) -> TuningExample {
    TuningExample(
      tokens: Array(tokens.prefix(length + 1)),
      isTarget: Array(isTarget.prefix(length + 1))
    )
  }
}

/// What examples to tune on consist of, and what was left out of them.
public struct TuningExamplesReport: Codable, Hashable, Sendable {
  /// The examples.
  public var examples = 0
  /// Those of them that were longer than allowed and lost their ends.
  public var cut = 0
  /// Sequences that are no examples, because no token was left that the loss counts.
  public var dropped = 0
  /// The tokens of all examples.
  public var tokens = 0
  /// The tokens that the loss counts.
  public var targets = 0
  /// The most positions that a model reads of an example.
  public var longest = 0

  /// A report on no examples.
  public init() {}
}

/// Examples to tune on: windows of plain text, or sequences of which the loss counts a part.
///
/// A batch is padded to its longest example: with id 0 behind the end, which causal attention never
/// looks at, and targets of −100, which count for nothing.
///
///     let format = try TuningFormat(pretrained, maximumLength: 1024)
///     let examples = try TuningExamples(path: "alpaca.jsonl", format: format)
///
/// - Shapes: a batch is tokens [B × T] and the tokens that follow them [B × T].
public struct TuningExamples: Dataset, Sendable {
  /// The tokens that are read, and those that follow.
  public typealias Batch = TokenWindows.Batch

  /// Sequences one after the other; ends[i] is where i ends.
  private struct Sequences: Sendable {
    var tokens: [Int32] = []
    var isTarget: [Bool] = []
    var ends: [Int] = []

    func range(_ index: Int) -> Range<Int> { (index == 0 ? 0 : ends[index - 1])..<ends[index] }
  }

  private enum Storage: Sendable {
    case windows(TokenWindows)
    case sequences(Sequences)
  }

  /// What the examples consist of.
  public private(set) var report: TuningExamplesReport
  /// One more than the largest id that may come.
  public let vocabularyCount: Int
  /// A checksum of everything that decides the batches.
  let digest: String
  private let storage: Storage

  /// Windows of plain texts, of which every token counts.
  ///
  /// What is left of a text behind its last whole window is not read.
  ///
  /// - Parameters:
  ///   - files: the tokens of the texts; windows do not cross files.
  ///   - length: T, the tokens that are read of a window.
  ///   - stride: how far apart windows begin; nil for T, so that each token counts once.
  public init(windowsOf files: [TokenFile], length: Int, stride: Int? = nil) {
    let windows = TokenWindows(files, length: length, stride: stride ?? length)
    self.init(windows, files, "\(length)-\(stride ?? length)")
  }

  /// `count` windows that lie evenly in a text: what measures.
  public init(windowsOf file: TokenFile, length: Int, count: Int) {
    self.init(TokenWindows(file, length: length, count: count), [file], "\(length)/\(count)")
  }

  private init(_ windows: TokenWindows, _ files: [TokenFile], _ cut: String) {
    storage = .windows(windows)
    vocabularyCount = files.map(\.vocabularyCount).max() ?? 0
    digest = ([cut] + files.map(\.digest)).joined(separator: " ")
    var report = TuningExamplesReport()
    report.examples = windows.count
    report.tokens = windows.count * (windows.length + 1)
    report.targets = windows.count * windows.length
    report.longest = windows.length
    self.report = report
  }

  /// Sequences that were made one by one.
  ///
  /// - Parameters:
  ///   - examples: the sequences; those without a token that counts are left out.
  ///   - maximumLength: T, the most positions that the model reads of one; longer ones lose their
  ///     ends. Nil for no limit.
  public init(_ examples: some Sequence<TuningExample>, maximumLength: Int? = nil) {
    var collector = TuningCollector(maximumLength: maximumLength)
    for example in examples { collector.add(example) }
    self.init(collector)
  }

  init(_ collector: TuningCollector) {
    let sequences = Sequences(
      tokens: collector.tokens,
      isTarget: collector.isTarget,
      ends: collector.ends
    )
    report = collector.report
    vocabularyCount = Int(sequences.tokens.max() ?? -1) + 1
    digest =
      "\(sequences.ends.count)"
      + sequences.tokens.withUnsafeBytes { "-" + String(XXHash64.hash($0), radix: 16) }
      + sequences.isTarget.withUnsafeBytes { "-" + String(XXHash64.hash($0), radix: 16) }
      + sequences.ends.withUnsafeBytes { "-" + String(XXHash64.hash($0), radix: 16) }
    storage = .sequences(sequences)
  }

  /// The number of examples.
  public var count: Int { report.examples }

  /// The example of a number: for windows, all tokens count.
  public func example(_ index: Int) -> TuningExample {
    switch storage {
    case .windows(let windows):
      let batch = windows[[index]]
      let tokens = Array(batch.tokens.elements.prefix(1)) + batch.targets.elements
      return TuningExample(
        tokens: tokens,
        isTarget: [Bool](repeating: true, count: tokens.count)
      )
    case .sequences(let sequences):
      let range = sequences.range(index)
      return TuningExample(
        tokens: Array(sequences.tokens[range]),
        isTarget: Array(sequences.isTarget[range])
      )
    }
  }

  /// The examples `indices`, padded to the longest.
  public subscript(indices: [Int]) -> Batch {
    guard case .sequences(let sequences) = storage else {
      if case .windows(let windows) = storage { return windows[indices] }
      return (.zeros([0, 0]), .zeros([0, 0]))
    }
    let length = (indices.map { sequences.range($0).count }.max() ?? 1) - 1
    var (tokens, targets): ([Int32], [Int32]) = ([], [])
    for index in indices {
      let range = sequences.range(index)
      let padding = length + 1 - range.count
      tokens += sequences.tokens[range.dropLast()]
      tokens += repeatElement(0, count: padding)
      targets += range.dropFirst().map {
        sequences.isTarget[$0] ? sequences.tokens[$0] : ignoredTarget
      }
      targets += repeatElement(ignoredTarget, count: padding)
    }
    let shape: Shape = [indices.count, length]
    return (Tensor(tokens, shape: shape), Tensor(targets, shape: shape))
  }

  /// The examples without the last part, and that part: what trains, and what measures.
  public func split(
    holdingBack part: Double
  ) -> (training: TuningExamples, validation: TuningExamples) {
    let first = Int(Double(count) * (1 - part))
    var training = TuningExamples((0..<first).map(example))
    // What was lost while reading is told with what trains.
    (training.report.cut, training.report.dropped) = (report.cut, report.dropped)
    return (training, TuningExamples((first..<count).map(example)))
  }

  /// The first `count` examples; all of them where there are no more.
  package func prefix(_ count: Int) -> TuningExamples {
    count < self.count ? TuningExamples((0..<count).map(example)) : self
  }

  /// The mean loss over all targets in nats, without gradients.
  ///
  /// - Parameters:
  ///   - model: what reads the examples.
  ///   - batchSize: how many it reads at once.
  ///   - progress: gets the number of examples that were read after each batch; false stops.
  /// - Returns: the mean; nil if it was stopped. NaN where there is no example.
  public func meanLoss(
    of model: DecoderModel,
    batchSize: Int,
    progress: (_ examples: Int) -> Bool = { _ in true }
  ) -> Double? {
    withoutGradients {
      var (total, targets) = (0.0, 0)
      for first in stride(from: 0, to: count, by: batchSize) {
        let last = Swift.min(first + batchSize, count)
        let batch = self[Array(first..<last)]
        let counted = Self.targetCount(batch)
        total += Double(counted) * Double(model.loss(batch.tokens, targets: batch.targets).item)
        targets += counted
        guard progress(last) else { return nil }
      }
      return total / Double(targets)
    }
  }

  /// How many targets of a batch count.
  static func targetCount(_ batch: Batch) -> Int {
    batch.targets.withUnsafeElements { targets in targets.count { $0 != ignoredTarget } }
  }
}

/// Puts sequences together as they are read.
struct TuningCollector {
  let maximumLength: Int?
  private(set) var tokens: [Int32] = []
  private(set) var isTarget: [Bool] = []
  private(set) var ends: [Int] = []
  private(set) var report = TuningExamplesReport()

  init(maximumLength: Int?) { self.maximumLength = maximumLength }

  mutating func add(_ example: TuningExample) {
    let kept = maximumLength.map(example.prefix) ?? example
    guard kept.targetCount > 0 else {
      report.dropped += 1
      return
    }
    tokens += kept.tokens
    isTarget += kept.isTarget
    ends.append(tokens.count)
    report.examples += 1
    report.cut += kept.tokens.count < example.tokens.count ? 1 : 0
    report.tokens += kept.tokens.count
    report.targets += kept.targetCount
    report.longest = Swift.max(report.longest, kept.tokens.count - 1)
  }
}
