import Autograd
import Foundation
import Tensor
import TestSupport
import Testing

@Suite struct LossTests {
  static let shapes: [Shape] = [[], [1], [3], [2, 17], [3, 1], [129], [2, 3, 5]]
  static let reductions: [LossReduction] = [.none, .sum, .mean]

  private func map(
    _ inputs: [Tensor<Double>],
    _ reduction: LossReduction,
    _ body: (Double, Double) -> Double
  ) -> Tensor<Double> {
    let losses = zip(inputs[0].elements, inputs[1].elements).map(body)
    let sum = losses.reduce(0, +)
    switch reduction {
    case .none: return Tensor(losses, shape: inputs[0].shape)
    case .sum: return Tensor(scalar: sum)
    case .mean: return Tensor(scalar: sum / Double(losses.count))
    }
  }

  @Test(arguments: shapes, reductions)
  func differencesOfPredictionsAndTargets(shape: Shape, reduction: LossReduction) {
    let check = GradientCheck()
    check("squared", [shape, shape]) {
      meanSquaredError(predictions: $0[0], targets: $0[1], reduction: reduction)
    } oracle: {
      map($0, reduction) { ($0 - $1) * ($0 - $1) }
    }
    check("absolute", [shape, shape]) {
      meanAbsoluteError(predictions: $0[0], targets: $0[1], reduction: reduction)
    } oracle: {
      map($0, reduction) { abs($0 - $1) }
    }
    check("Huber", [shape, shape]) {
      huberLoss(predictions: $0[0], targets: $0[1], delta: 0.75, reduction: reduction)
    } oracle: {
      map($0, reduction) {
        let d = abs($0 - $1)
        return d < 0.75 ? d * d / 2 : 0.75 * (d - 0.375)
      }
    }
    check("smooth L1", [shape, shape]) {
      smoothL1Loss(predictions: $0[0], targets: $0[1], beta: 0.5, reduction: reduction)
    } oracle: {
      map($0, reduction) {
        let d = abs($0 - $1)
        return d < 0.5 ? d * d : d - 0.25
      }
    }
  }

  @Test(arguments: shapes, reductions)
  func lossesOfScores(shape: Shape, reduction: LossReduction) {
    var generator = Philox(seed: 21)
    let t = Tensor<Float>.uniform(shape, using: &generator)
    let signs = select(t .> 0.5, Tensor<Float>.ones(shape), -Tensor<Float>.ones(shape))
    let weight = Tensor<Float>([1.5])
    func doubles(_ x: Tensor<Float>) -> Tensor<Double> {
      Tensor(x.elements.map(Double.init), shape: x.shape)
    }
    GradientCheck(range: -6...6)("binary", [shape]) {
      binaryCrossEntropy(logits: $0[0], targets: t, reduction: reduction)
    } oracle: {
      map([$0[0], doubles(t)], reduction) { x, t in
        (1 - t) * x + log1p(exp(-x))
      }
    }
    if shape.rank > 0 {
      GradientCheck(range: -6...6)("weighted binary", [shape]) {
        let weight = weight
        return binaryCrossEntropy(
          logits: $0[0],
          targets: t,
          positiveWeight: weight,
          reduction: reduction
        )
      } oracle: {
        map([$0[0], doubles(t)], reduction) { x, t in
          (1 - t) * x + (1 + 0.5 * t) * log1p(exp(-x))
        }
      }
    }
    GradientCheck()("hinge", [shape]) {
      hingeLoss(scores: $0[0], targets: signs, reduction: reduction)
    } oracle: {
      map([$0[0], doubles(signs)], reduction) { max(0, 1 - $0 * $1) }
    }
  }

  @Test(arguments: [[1], [3], [2, 17], [2, 2, 129]] as [Shape], reductions)
  func divergences(shape: Shape, reduction: LossReduction) {
    var generator = Philox(seed: 22)
    let scores = Tensor<Float>.normal(shape, deviation: 3, using: &generator)
    let (t, logs) = (scores.softmax(), scores.logSoftmax())
    let p = t.elements.map(Double.init)
    func oracle(_ x: Tensor<Double>) -> Tensor<Double> {
      let width = shape[-1]
      let terms = zip(p, x.elements).map { $0 * (log($0) - $1) }
      let rows = (0..<(terms.count / width)).map { row in
        terms[row * width..<(row + 1) * width].reduce(0, +)
      }
      let sum = rows.reduce(0, +)
      switch reduction {
      case .none: return Tensor(rows, shape: Shape(shape.extents.dropLast()))
      case .sum: return Tensor(scalar: sum)
      case .mean: return Tensor(scalar: sum / Double(rows.count))
      }
    }
    GradientCheck(range: -9...0)("divergence", [shape]) {
      klDivergence(logProbabilities: $0[0], targets: t, reduction: reduction)
    } oracle: {
      oracle($0[0])
    }
    GradientCheck(range: -9...0)("log divergence", [shape]) {
      klDivergence(logProbabilities: $0[0], logTargets: logs, reduction: reduction)
    } oracle: {
      oracle($0[0])
    }
  }

  @Test func divergenceOfImpossibleClassesIsNothing() {
    let x = Variable(Tensor<Float>([-1, -2, -.infinity], shape: [1, 3]))
    let targets = Tensor<Float>([1, 0, 0], shape: [1, 3])
    expectClose(klDivergence(logProbabilities: x, targets: targets).value.elements, [1])
  }

  @Test(arguments: reductions)
  func likelihoodsAreGathered(reduction: LossReduction) {
    let targets = Tensor<Int32>([4, -100, 0], shape: [3, 1])
    GradientCheck()("likelihood", [[3, 1, 5]]) {
      negativeLogLikelihood(logProbabilities: $0[0], targets: targets, reduction: reduction)
    } oracle: {
      let x = $0[0].elements
      let losses = [-x[4], 0, -x[10]]
      switch reduction {
      case .none: return Tensor(losses, shape: [3, 1])
      case .sum: return Tensor(scalar: losses.reduce(0, +))
      case .mean: return Tensor(scalar: losses.reduce(0, +) / 2)
      }
    }
  }

  @Test(arguments: [[2], [3, 17], [2, 2, 5], [1, 129]] as [Shape])
  func cosines(shape: Shape) {
    func cosines(_ x: Tensor<Double>, _ y: Tensor<Double>) -> Tensor<Double> {
      let width = shape[-1]
      let (a, b) = (x.elements, y.elements)
      let values = stride(from: 0, to: a.count, by: width).map { start -> Double in
        var (ab, aa, bb) = (0.0, 0.0, 0.0)
        for index in start..<start + width {
          ab += a[index] * b[index]
          aa += a[index] * a[index]
          bb += b[index] * b[index]
        }
        return ab / (aa * bb).squareRoot()
      }
      return Tensor(values, shape: Shape(shape.extents.dropLast()))
    }
    GradientCheck()("cosine", [shape, shape]) {
      cosineSimilarity($0[0], $0[1])
    } oracle: {
      cosines($0[0], $0[1])
    }
    let rows = Shape(shape.extents.dropLast())
    let targets = Tensor<Float>(
      (0..<rows.count).map { $0 % 2 == 0 ? 1 : -1 },
      shape: rows
    )
    GradientCheck()("cosine embedding", [shape, shape]) {
      cosineEmbeddingLoss($0[0], $0[1], targets: targets, margin: -0.5, reduction: .none)
    } oracle: {
      let values = cosines($0[0], $0[1]).elements
      let losses = zip(values, targets.elements).map { $1 > 0 ? 1 - $0 : max(0, $0 + 0.5) }
      return Tensor(losses, shape: rows)
    }
  }

  @Test func binaryCrossEntropyIsFiniteFarOut() {
    let x = Tensor<Float>([200, -200, 90, -90, 1e30, -1e30])
    let targets = Tensor<Float>([1, 0, 0, 1, 1, 0])
    let losses = binaryCrossEntropy(logits: Variable(x), targets: targets, reduction: .none)
    expectClose(losses.value.elements, [0, 0, 90, 90, 0, 0], relative: 1e-6)
  }

  @Test func notANumberShowsInEveryLoss() {
    let x = Variable(following: Tensor<Float>([.nan, 0.5, .nan, 0.5]))
    let t = Variable(Tensor<Float>([0.5, .nan, 0.5, 0.25]))
    let losses = [
      meanSquaredError(predictions: x, targets: t, reduction: .none),
      meanAbsoluteError(predictions: x, targets: t, reduction: .none),
      huberLoss(predictions: x, targets: t, reduction: .none),
      binaryCrossEntropy(logits: x, targets: t.value, reduction: .none),
      hingeLoss(scores: x, targets: t.value, reduction: .none),
    ]
    for loss in losses {
      #expect(loss.value.elements.map(\.isNaN) == [true, true, true, false])
    }
  }

  @Test func theMeanOfNothingIsNotANumber() {
    let empty = Variable(following: .zeros([0, 3]))
    let loss = meanSquaredError(predictions: empty, targets: empty)
    #expect(loss.item.isNaN)
    loss.backward()
    #expect(empty.gradient?.shape == [0, 3])
    #expect(meanSquaredError(predictions: empty, targets: empty, reduction: .sum).item == 0)
  }

  @Test func partsDoNotDependOnThreads() {
    var generator = Philox(seed: 23)
    let a = Tensor<Float>.normal([100_003], using: &generator)
    let b = Tensor<Float>.uniform([100_003], using: &generator)
    func run() -> [Tensor<Float>?] {
      let x = Variable(following: a)
      let loss = binaryCrossEntropy(logits: x, targets: b)
      loss.backward()
      return [loss.value, x.gradient]
    }
    let (one, two) = withThreads(run)
    #expect(one == two)
  }
}
