public import Autograd
import Checkpoints
import Foundation

/// A sweep of placement × embedding norm × learning rate × seed, one run a cell.
///
/// The folder holds `study.json`, the plan, `texts.json`, what it is trained on, and a folder for each
/// cell. Cells are resumed where they stopped, and several processes may work on one folder: each
/// takes cells that no other holds.
///
/// Source: Kim et al. 2025, "Peri-LN", section 4; the embedding norm is crossed with the placement so
/// that what either does can be told apart.
public struct PlacementStudy {
  /// A way to place norms.
  public struct Variant: Codable, Hashable, Sendable, CustomStringConvertible {
    /// Where the norms of blocks stand.
    public var placement: NormPlacement
    /// Whether the embedding is normalized.
    public var normalizesEmbedding: Bool

    /// A variant.
    public init(_ placement: NormPlacement, normalizesEmbedding: Bool) {
      self.placement = placement
      self.normalizesEmbedding = normalizesEmbedding
    }

    /// `peri+E`: the placement, and E for an embedding norm.
    public var description: String { placement.rawValue + (normalizesEmbedding ? "+E" : "") }
  }

  /// What is swept.
  public struct Plan: Codable, Hashable, Sendable {
    /// The model; placement, embedding norm and final norm are set by the variants.
    public var configuration: TransformerConfiguration
    /// The training; learning rate and seed are set by the cells.
    public var options: PretrainingOptions
    /// The ways to place norms.
    public var variants: [Variant]
    /// The learning rates.
    public var learningRates: [Float]
    /// The seeds.
    public var seeds: [UInt64]

    /// A plan; what is named twice counts once.
    public init(
      configuration: TransformerConfiguration,
      options: PretrainingOptions,
      variants: [Variant],
      learningRates: [Float],
      seeds: [UInt64]
    ) {
      self.configuration = configuration
      self.options = options
      self.variants = Self.unique(variants)
      self.learningRates = Self.unique(learningRates)
      self.seeds = Self.unique(seeds)
    }

    private static func unique<Value: Hashable>(_ values: [Value]) -> [Value] {
      var seen: Set<Value> = []
      return values.filter { seen.insert($0).inserted }
    }

    /// All cells: the first seed of everything comes first.
    public var cells: [Cell] {
      seeds.flatMap { seed in
        learningRates.flatMap { rate in
          variants.map { Cell(variant: $0, learningRate: rate, seed: seed) }
        }
      }
    }
  }

  /// One run.
  public struct Cell: Codable, Hashable, Sendable {
    /// The placement.
    public var variant: Variant
    /// The largest learning rate.
    public var learningRate: Float
    /// The seed.
    public var seed: UInt64

    /// The name of its folder.
    public var name: String { "\(variant)-lr\(learningRate)-seed\(seed)" }
  }

  /// A cell and what came of it.
  public struct CellResult: Codable, Sendable {
    /// The cell.
    public var cell: Cell
    /// What came of it.
    public var report: PretrainingReport
  }

  /// The folder.
  public let path: String
  /// What is swept.
  public let plan: Plan
  private var planPath: String { path + "/study.json" }

  /// Opens a study's folder, or begins it with a plan.
  ///
  /// - Throws: `PretrainingError` if the folder holds another plan; `CheckpointError`.
  public init(at path: String, plan: Plan) throws {
    self.path = path
    self.plan = plan
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    if FileManager.default.fileExists(atPath: planPath) {
      let earlier = try Self(at: path).plan
      guard earlier == plan else {
        throw PretrainingError(
          "\(path) holds a study with another plan; choose a new folder for this one"
        )
      }
    } else {
      try AtomicFile.write(TrainingJSON.data(plan, isPretty: true), to: planPath)
    }
  }

  /// Opens a study's folder.
  ///
  /// - Throws: `PretrainingError` if there is none.
  public init(at path: String) throws {
    self.path = path
    let file = path + "/study.json"
    guard FileManager.default.fileExists(atPath: file) else {
      throw PretrainingError("\(path) holds no study: there is no \(file)")
    }
    plan = try TrainingJSON.read(file, as: Plan.self)
  }

  /// The results of the cells that are done, in the order of the plan.
  ///
  /// - Throws: `PretrainingError` if a result cannot be read.
  public func results() throws -> [CellResult] {
    try plan.cells.compactMap { cell in
      let file = resultPath(cell)
      guard FileManager.default.fileExists(atPath: file) else { return nil }
      let report = try TrainingJSON.read(file, as: PretrainingReport.self)
      return CellResult(cell: cell, report: report)
    }
  }

  /// Runs the cells that are neither done nor held by another process.
  ///
  /// - Parameters:
  ///   - training: the tokens.
  ///   - validation: tokens that are never trained on.
  ///   - shouldStop: asked before each step.
  ///   - progress: gets the cell in work, its place in the plan, and its progress.
  /// - Returns: whether all cells of the plan are done.
  /// - Throws: what `Pretraining` throws.
  public func run(
    training: [TokenFile],
    validation: TokenFile,
    shouldStop: @escaping () -> Bool = { false },
    progress: @escaping (_ cell: Cell, _ index: Int, TrainingProgress) -> Void = { _, _, _ in }
  ) throws -> Bool {
    let texts = Texts(
      digests: TextDigests(training, validation),
      unigramEntropy: validation.unigramEntropy
    )
    try TrainingJSON.claim(texts, at: textsPath, what: "study")
    for (index, cell) in plan.cells.enumerated() {
      if shouldStop() { return false }
      let folder = path + "/" + cell.name
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      guard let lease = FolderLease.removing(folder) else { continue }
      defer { withExtendedLifetime(lease) {} }
      if FileManager.default.fileExists(atPath: resultPath(cell)) {
        // A process that was killed between the two left them.
        removeCheckpoints(of: cell)
        continue
      }
      let run = try Pretraining(
        at: folder,
        configuration(of: cell),
        options(of: cell),
        training: training,
        validation: validation
      )
      run.shouldStop = shouldStop
      let report = try run.train { progress(cell, index, $0) }
      guard report.ending != .stopped else { return false }
      try AtomicFile.write(TrainingJSON.data(report), to: resultPath(cell))
      removeCheckpoints(of: cell)
    }
    return try results().count == plan.cells.count
  }

  /// What a cell needed to go on, once its result is there.
  private func removeCheckpoints(of cell: Cell) {
    try? FileManager.default.removeItem(atPath: path + "/" + cell.name + "/checkpoints")
  }

  /// The texts of a study: what all cells are trained and judged on.
  private struct Texts: Codable {
    var digests: TextDigests
    var unigramEntropy: Double
  }

  private var textsPath: String { path + "/texts.json" }

  /// The entropy of the validation tokens, one by one, in nats: a model that has learned nothing but
  /// their frequencies ends there; nil before the first run.
  ///
  /// - Throws: `PretrainingError` if the file that says so is damaged.
  public func unigramEntropy() throws -> Double? {
    guard FileManager.default.fileExists(atPath: textsPath) else { return nil }
    return try TrainingJSON.read(textsPath, as: Texts.self).unigramEntropy
  }

  private func resultPath(_ cell: Cell) -> String { path + "/" + cell.name + "/result.json" }

  private func configuration(of cell: Cell) -> TransformerConfiguration {
    var shape = plan.configuration
    shape.placement = cell.variant.placement
    shape.normalizesEmbedding = cell.variant.normalizesEmbedding
    shape.hasFinalNorm = cell.variant.placement != .post
    return shape
  }

  private func options(of cell: Cell) -> PretrainingOptions {
    var options = plan.options
    options.learningRate = cell.learningRate
    options.seed = cell.seed
    return options
  }
}
