public import Autograd
import Checkpoints
import Foundation
import Tensor

/// How training rows are made from a policy's own responses.
public struct TrainingRowOptions: Codable, Hashable, Sendable {
  /// Whose program the rows are for.
  public var layout: TrainingRowLayout
  /// K, the responses of which one must hit.
  public var candidates = 4
  /// The local views of each example beside the whole picture; 0 for none.
  public var localViews = 1
  /// What local views show.
  public var crop = ConsistencyCrop()
  /// How responses are drawn; the seed of example n is this one's plus n.
  public var sampling = GroundingSampling()
  /// The seed of the local views.
  public var seed: UInt64 = 0

  /// Rows of a layout; four responses and one local view by default.
  public init(layout: TrainingRowLayout) { self.layout = layout }
}

/// What came of an export.
public struct TrainingRowReport: Codable, Hashable, Sendable {
  /// The examples that were tried.
  public var tried = 0
  /// Those of which a response was right.
  public var solved = 0
  /// Those of which a response hit, but none that hits has the reasoning that the layout writes.
  public var withoutReasoning = 0
  /// The rows that were written.
  public var rows = 0
  /// Whether the export went through all examples.
  public var isComplete = false

  /// Nothing yet.
  public init() {}
}

/// Rows for programs that train large models: what ReGUIDE's two stages teach, without the weights.
///
///     let export = TrainingRowExport(to: "rows", of: policy, on: examples, options)
///     let report = try await export.run()
///
/// An example is kept if one of K responses of the policy hits, for layouts that write reasoning one of the
/// right form; its reasoning goes into the row, and the answer is the target's centre. Each is written for
/// the whole picture and for local views that hold the target, so that a model trained on the rows sees the
/// same place at several scales. The folder gets `rows.jsonl` and `images/`, and `examples.jsonl`, which says
/// what became of each example: an export that was stopped, killed or failed goes on there, and what it has
/// found so far is in `rows.jsonl` unless it was killed.
///
/// - Note: reasoning of a language model is kept as it is; a native policy's names places, and is
///   worked out anew for each view.
public struct TrainingRowExport {
  /// The folder that is written.
  public let path: String
  /// Whose responses count.
  public let policy: any GroundingPolicy
  /// What it is asked.
  public let examples: GroundingExamples
  /// How rows are made.
  public let options: TrainingRowOptions
  /// Asked before each example whether to stop.
  public var shouldStop: () -> Bool = { false }

  /// An export to a folder, which is made when there is none.
  public init(
    to path: String,
    of policy: any GroundingPolicy,
    on examples: GroundingExamples,
    _ options: TrainingRowOptions
  ) {
    self.path = path
    self.policy = policy
    self.examples = examples
    self.options = options
  }

  /// Asks the policy, and writes the rows.
  ///
  /// - Parameter progress: gets the progress after each example.
  /// - Returns: the counts.
  /// - Throws: `GroundingTrainingError.option`, `.otherOptions` for the folder of another export,
  ///   `CheckpointError`, what the policy throws, or what an example throws.
  @discardableResult
  public nonisolated(nonsending) func run(
    progress: ((TrainingProgress) -> Void)? = nil
  ) async throws -> TrainingRowReport {
    guard options.candidates > 0, options.localViews >= 0, options.crop.flaw == nil else {
      throw GroundingTrainingError.option(
        options.crop.flaw ?? "\(options.candidates) candidates, \(options.localViews) local views"
      )
    }
    let journal = try TrainingRowJournal(
      in: path,
      TrainingRowJournal.Head(
        options: options,
        policy: policy.name,
        examples: examples.name,
        count: examples.count
      )
    )
    do {
      try await ask(journal, progress)
    } catch {
      // What was found is not lost; the fault is what the caller must hear of.
      try? journal.writeRows()
      throw error
    }
    try journal.writeRows()
    return journal.report
  }

  private nonisolated(nonsending) func ask(
    _ journal: TrainingRowJournal,
    _ progress: ((TrainingProgress) -> Void)?
  ) async throws {
    var meter = ProgressMeter(total: examples.count, step: journal.report.tried)
    for index in journal.report.tried..<examples.count {
      if Task.isCancelled || shouldStop() { return }
      let example = try examples.example(index)
      var entry = TrainingRowJournal.Entry(example: index)
      switch try await solution(of: example, index) {
      case .none: break
      case .withoutReasoning: entry.isWithoutReasoning = true
      case .sample(let sample):
        entry.rows = try rows(example, index, sample, first: journal.report.rows)
          .map { try $0.line(options.layout) }
      }
      try journal.append(entry)
      let metrics = ["rows": Double(journal.report.rows)]
      progress?(meter.advance(to: index + 1, metrics: metrics))
    }
  }

  private enum Solution {
    case none
    /// A response hits, and the layout needs reasoning that it does not have.
    case withoutReasoning
    case sample(GroundingSample)
  }

  /// The first response that hits and has what the layout writes.
  private nonisolated(nonsending) func solution(
    of example: GroundingExample,
    _ index: Int
  ) async throws -> Solution {
    let size = example.image.size
    let transform = ViewTransform(imageSize: size, view: policy.viewSize(for: size))
    var sampling = options.sampling
    sampling.seed = (sampling.seed ?? 0) &+ UInt64(index)
    let samples = try await policy.sample(
      GroundingRequest(image: example.image.view(transform), instruction: example.instruction),
      count: sampling.temperature == 0 ? 1 : options.candidates,
      options: sampling
    )
    let hits = samples.filter { sample in
      sample.point.map { example.target.contains(transform.toImage($0)) } ?? false
    }
    let first = options.layout.writesReasoning ? hits.first(where: \.formatOK) : hits.first
    if let first { return .sample(first) }
    return hits.isEmpty ? .none : .withoutReasoning
  }

  /// The rows of a solved example; each has its image written.
  private func rows(
    _ example: GroundingExample,
    _ index: Int,
    _ sample: GroundingSample,
    first: Int
  ) throws -> [TrainingRow] {
    guard let box = example.target.boundingBox else { return [] }
    var generator = Philox(seed: options.seed).fork(index)
    var crops = [example.image.size.bounds]
    for _ in 0..<options.localViews {
      crops.append(options.crop(around: box, in: example.image.size, using: &generator))
    }
    var rows: [TrainingRow] = []
    for (number, crop) in crops.enumerated() {
      let transform = ViewTransform(imageSize: example.image.size, crop: crop, view: crop.size)
      guard let shown = transform.toView(box) else { continue }
      let name = "images/\(index)-\(number).png"
      try example.image.cropped(to: crop).write(to: path + "/" + name)
      rows.append(
        TrainingRow(
          id: first + rows.count,
          image: name,
          size: crop.size,
          instruction: example.instruction,
          box: shown.box,
          reasoning: try reasoning(sample, example.instruction, at: shown.box.center, crop.size)
        )
      )
    }
    return rows
  }

  private func reasoning(
    _ sample: GroundingSample,
    _ instruction: String,
    at center: GroundingPoint,
    _ size: PixelSize
  ) throws -> String {
    var text = sample.text
    if let native = policy as? NativeGroundingPolicy {
      text = native.configuration.vocabulary.text(
        try native.response(to: instruction, at: center, in: size),
        width: Double(size.width),
        height: Double(size.height)
      )
    }
    guard let start = text.range(of: "<think>"),
      let end = text.range(of: "</think>", range: start.upperBound..<text.endIndex)
    else { return "" }
    return text[start.upperBound..<end.lowerBound].trimmingCharacters(in: .whitespacesAndNewlines)
  }
}
