import Autograd
import Checkpoints
import Tensor
import TestSupport
import Testing

/// Losses and their gradients as torch has them: every case of the file, which
/// `Tools/fixtures/losses.py` makes.
@Suite struct LossConformance {
  typealias Case = AutogradConformance.Case

  static let file = Fixtures.checkout + "/Tests/Fixtures/losses/losses.safetensors"
  static let cases = AutogradConformance.cases(file)

  @Test func theFileHoldsCasesOfEveryLossAndReduction() {
    let losses = Dictionary(grouping: Self.cases) { $0.arguments["loss"]?.stringValue ?? "" }
    let reduced: Set = [
      "squared", "absolute", "huber", "smooth", "binary", "hinge", "divergence", "logDivergence",
      "likelihood", "crossEntropy", "linearCrossEntropy", "cosineEmbedding",
    ]
    #expect(Set(losses.keys) == reduced.union(["cosine", "logProbabilities"]))
    for name in reduced {
      let reductions = (losses[name] ?? []).compactMap { $0.arguments["reduction"]?.stringValue }
      #expect(Set(reductions) == ["none", "sum", "mean"], "\(name)")
    }
  }

  @Test(arguments: cases)
  func loss(item: Case) throws {
    let (x, y, w) = (
      try item.leaf("x"), try item.leaf("y"), try item.has("grad_w") ? try item.leaf("w") : nil
    )
    let output = try loss(item, x: try #require(x), y: y, w: w)
    try item.expect(output, [("x", x), ("y", y), ("w", w)], tolerance: 1e-5)
  }

  private func loss(_ item: Case, x: Variable, y: Variable?, w: Variable?) throws -> Variable {
    let name = try #require(item.arguments["loss"]?.stringValue)
    switch name {
    case "squared", "absolute", "huber", "smooth":
      return try elementLoss(name, item, x, try #require(y))
    case "binary":
      return binaryCrossEntropy(
        logits: x,
        targets: try item.tensor("t"),
        positiveWeight: try item.has("w") ? try item.tensor("w") : nil,
        reduction: try item.reduction
      )
    case "hinge":
      return hingeLoss(scores: x, targets: try item.tensor("t"), reduction: try item.reduction)
    case "divergence":
      let targets = try item.tensor("t")
      return klDivergence(logProbabilities: x, targets: targets, reduction: try item.reduction)
    case "logDivergence":
      let targets = try item.tensor("t")
      return klDivergence(logProbabilities: x, logTargets: targets, reduction: try item.reduction)
    case "cosine": return cosineSimilarity(x, try #require(y))
    case "cosineEmbedding":
      return cosineEmbeddingLoss(
        x,
        try #require(y),
        targets: try item.tensor("t"),
        margin: try item.float("margin"),
        reduction: try item.reduction
      )
    default: return try classLoss(name, item, x, w)
    }
  }

  private func elementLoss(
    _ name: String,
    _ item: Case,
    _ x: Variable,
    _ y: Variable
  ) throws -> Variable {
    let reduction = try item.reduction
    switch name {
    case "squared": return meanSquaredError(predictions: x, targets: y, reduction: reduction)
    case "absolute": return meanAbsoluteError(predictions: x, targets: y, reduction: reduction)
    case "huber":
      let delta = try item.float("delta")
      return huberLoss(predictions: x, targets: y, delta: delta, reduction: reduction)
    default:
      let beta = try item.float("beta")
      return smoothL1Loss(predictions: x, targets: y, beta: beta, reduction: reduction)
    }
  }

  private func classLoss(
    _ name: String,
    _ item: Case,
    _ x: Variable,
    _ w: Variable?
  ) throws -> Variable {
    let targets = try item.numbers("t")
    let options = CrossEntropyOptions(
      ignoredTarget: Int32(item.arguments["ignored"]?.intValue ?? -100),
      labelSmoothing: Float(item.arguments["smoothing"]?.doubleValue ?? 0),
      zLossWeight: Float(item.arguments["z"]?.doubleValue ?? 0)
    )
    switch name {
    case "likelihood":
      return negativeLogLikelihood(
        logProbabilities: x,
        targets: targets,
        reduction: try item.reduction,
        ignoredTarget: options.ignoredTarget
      )
    case "logProbabilities": return logProbabilities(logits: x, targets: targets)
    case "crossEntropy":
      return crossEntropy(
        logits: x,
        targets: targets,
        reduction: try item.reduction,
        options: options
      )
    case "linearCrossEntropy":
      return linearCrossEntropy(
        hidden: x,
        weight: try #require(w),
        targets: targets,
        reduction: try item.reduction,
        options: options
      )
    default: throw UnknownOperation(operation: name)
    }
  }
}

/// Cases of other reference files, under their names and forms.
@Suite struct LossFileConformance {
  static let file = Fixtures.file("novelty/losses.safetensors")

  /// The cases are named by their tensors; a root without the file has none.
  static let names: [String] = {
    let tensors = (try? SafetensorsFile(path: file))?.names ?? []
    return tensors.filter { $0.hasSuffix(".loss") }.map { String($0.dropLast(5)) }.sorted()
  }()

  @Test func theFileHoldsCases() {
    #expect(!Self.names.isEmpty, "no case in \(Self.file)")
  }

  @Test(arguments: names)
  func loss(name: String) throws {
    let file = try SafetensorsFile(path: Self.file)
    func tensor(_ key: String) throws -> Tensor<Float> {
      try file.tensor(named: "\(name).\(key)", as: Float.self)
    }
    func leaf(_ key: String) throws -> Variable { Variable(following: try tensor(key)) }
    let loss: Variable
    var gradients: [(String, Variable)] = []
    switch name.prefix(3) {
    case "bce":
      let x = try leaf("logit")
      loss = binaryCrossEntropy(logits: x, targets: try tensor("target"))
      gradients = [("grad", x)]
    case "cos":
      let (a, b) = (try leaf("a"), try leaf("b"))
      loss = (1 - cosineSimilarity(a, b)).mean()
      gradients = [("grad_a", a), ("grad_b", b)]
    case "mse":
      // The mean over samples of their sums of squares.
      let (x, y) = (try leaf("x"), Variable(try tensor("y")))
      loss =
        meanSquaredError(predictions: y, targets: x, reduction: .sum) / Float(x.shape[0])
      gradients = [("grad", x)]
    default: throw UnknownOperation(operation: name)
    }
    expectClose([loss.item], try tensor("loss").elements, relative: 1e-5, name)
    loss.backward()
    for (key, leaf) in gradients {
      let found = try #require(leaf.gradient)
      expectClose(found, try tensor(key), absolute: 1e-6, "\(name).\(key)")
    }
  }
}

extension AutogradConformance.Case {
  fileprivate var reduction: LossReduction {
    get throws {
      switch arguments["reduction"]?.stringValue {
      case "none": return .none
      case "sum": return .sum
      case "mean": return .mean
      default: throw UnknownOperation(operation: "the reduction of \(name)")
      }
    }
  }
}
