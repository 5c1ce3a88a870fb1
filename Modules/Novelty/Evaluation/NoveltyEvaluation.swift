import Tensor

/// Which samples are normal, and which ones a detector is trained and tested on.
public struct NoveltyEvaluation: Codable, Hashable, Sendable {
  /// What one class stands for.
  public enum Setting: String, Codable, Hashable, Sendable {
    /// It is novel, all others are normal: multi-modal normality.
    case leaveOneClassOut
    /// It is normal, all others are novel.
    case oneClass
  }

  /// Where training and test samples come from.
  public enum Split: String, Codable, Hashable, Sendable {
    /// RaPP's: 60 % of all normal samples are for training, 20 % for validation, 20 % and all novel
    /// samples for the test.
    case pooled
    /// The normal part of the official training set; the official test set. No validation.
    case official
  }

  /// What one class stands for.
  public var setting: Setting
  /// Where samples come from.
  public var split: Split
  /// The most training samples, validation in proportion; nil for all.
  public var trainingLimit: Int?
  /// The most test samples, normal and novel ones in their proportion; nil for all.
  public var testLimit: Int?

  /// An evaluation; RaPP's protocol by default.
  public init(
    setting: Setting = .leaveOneClassOut,
    split: Split = .pooled,
    trainingLimit: Int? = nil,
    testLimit: Int? = nil
  ) {
    self.setting = setting
    self.split = split
    self.trainingLimit = trainingLimit
    self.testLimit = testLimit
  }

  /// The samples for one class, shuffled by the seed.
  ///
  /// - Throws: `NoveltyError.configuration` without an official split, `.tooFewSamples`.
  public func fold(
    for label: Int32,
    of data: LabelledSamples,
    seed: UInt64
  ) throws(NoveltyError) -> NoveltyFold {
    guard trainingLimit ?? 1 > 0, testLimit ?? 1 > 0 else {
      throw .configuration("limits of samples are above 0")
    }
    let isNovel = data.labels.map { ($0 == label) == (setting == .leaveOneClassOut) }
    var generator = Philox(seed: seed).fork(Int(label))
    let order = Tensor.permutation(data.count, using: &generator).elements.map { Int($0) }
    var fold = NoveltyFold(label: label)
    var normals: [Int]
    let novels: [Int]
    switch split {
    case .pooled:
      normals = order.filter { !isNovel[$0] }
      novels = order.filter { isNovel[$0] }
      let (training, validation) = (normals.count * 3 / 5, normals.count / 5)
      fold.training = Array(normals[..<training])
      fold.validation = Array(normals[training..<training + validation])
      normals = Array(normals[(training + validation)...])
    case .official:
      guard let boundary = data.officialTrainingCount else {
        throw .configuration("the samples have no official split into training and test")
      }
      fold.training = order.filter { $0 < boundary && !isNovel[$0] }
      normals = order.filter { $0 >= boundary && !isNovel[$0] }
      novels = order.filter { $0 >= boundary && isNovel[$0] }
    }
    return try limited(fold, normals, novels)
  }

  /// The fold with its test samples, nothing beyond the limits; validation keeps its proportion.
  private func limited(
    _ fold: NoveltyFold,
    _ normals: [Int],
    _ novels: [Int]
  ) throws(NoveltyError) -> NoveltyFold {
    var fold = fold
    if let trainingLimit, trainingLimit < fold.training.count {
      let kept = fold.validation.count * trainingLimit / fold.training.count
      fold.validation = Array(fold.validation.prefix(kept))
      fold.training = Array(fold.training.prefix(trainingLimit))
    }
    let (normals, novels) = limited(normals, novels)
    fold.test = normals + novels
    fold.isNovel = normals.map { _ in false } + novels.map { _ in true }
    guard fold.training.count > 1, !normals.isEmpty, !novels.isEmpty else {
      throw .tooFewSamples(
        operation: "split, class \(fold.label)",
        label: nil,
        found: min(fold.training.count, normals.count, novels.count),
        needed: 1
      )
    }
    return fold
  }

  private func limited(_ normals: [Int], _ novels: [Int]) -> ([Int], [Int]) {
    let count = normals.count + novels.count
    guard let testLimit, testLimit < count else { return (normals, novels) }
    let normalShare = Double(normals.count) / Double(count)
    let kept = Int((normalShare * Double(testLimit)).rounded())
    return (Array(normals.prefix(kept)), Array(novels.prefix(testLimit - kept)))
  }
}

/// The places of one class's samples.
public struct NoveltyFold: Hashable, Sendable {
  /// The class that was left out, or that alone is normal.
  public let label: Int32
  /// Normal samples to learn from.
  public internal(set) var training: [Int] = []
  /// Normal samples that are held back.
  public internal(set) var validation: [Int] = []
  /// The test samples.
  public internal(set) var test: [Int] = []
  /// Whether each test sample is novel.
  public internal(set) var isNovel: [Bool] = []

  init(label: Int32) { self.label = label }

  /// The normal samples, with their labels.
  public func normalData(of data: LabelledSamples) -> NormalData {
    NormalData(
      inputs: data[training],
      labels: training.map { data.labels[$0] },
      validation: validation.isEmpty ? nil : data[validation]
    )
  }
}
