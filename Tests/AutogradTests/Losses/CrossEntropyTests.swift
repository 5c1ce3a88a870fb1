import Autograd
import Foundation
import Tensor
import TestSupport
import Testing

@Suite struct CrossEntropyTests {
  struct Sample: Sendable, CustomTestStringConvertible {
    var rows: Int
    var classes: Int
    var smoothing: Float = 0
    var zLoss: Float = 0
    var ignored: Set<Int> = []
    var reduction = LossReduction.mean

    var testDescription: String {
      "\(rows)×\(classes), ε \(smoothing), z \(zLoss), without \(ignored), \(reduction)"
    }

    var targets: Tensor<Int32> {
      Tensor((0..<rows).map { ignored.contains($0) ? -100 : Int32(($0 * 7 + 3) % classes) })
    }

    var options: CrossEntropyOptions {
      CrossEntropyOptions(labelSmoothing: smoothing, zLossWeight: zLoss)
    }

    func oracle(_ logits: Tensor<Double>) -> Tensor<Double> {
      let losses = RowOracle.crossEntropy(
        logits,
        targets.elements,
        smoothing: Double(smoothing),
        zLoss: Double(zLoss)
      )
      switch reduction {
      case .none: return Tensor(losses)
      case .sum: return Tensor(scalar: losses.reduce(0, +))
      case .mean: return Tensor(scalar: losses.reduce(0, +) / Double(rows - ignored.count))
      }
    }
  }

  static let samples = [
    Sample(rows: 1, classes: 1), Sample(rows: 1, classes: 3), Sample(rows: 3, classes: 17),
    Sample(rows: 2, classes: 129), Sample(rows: 5, classes: 9, ignored: [0, 3]),
    Sample(rows: 4, classes: 5, smoothing: 0.1), Sample(rows: 4, classes: 35, zLoss: 0.01),
    Sample(rows: 4, classes: 33, smoothing: 0.2, zLoss: 0.02, ignored: [1], reduction: .sum),
    Sample(rows: 4, classes: 7, smoothing: 0.2, zLoss: 0.02, ignored: [2], reduction: .none),
    Sample(rows: 0, classes: 4, reduction: .sum), Sample(rows: 0, classes: 4, reduction: .none),
  ]

  @Test(arguments: samples)
  func gradientsAgreeWithDifferences(sample: Sample) {
    GradientCheck()("cross-entropy", [[sample.rows, sample.classes]]) {
      crossEntropy(
        logits: $0[0],
        targets: sample.targets,
        reduction: sample.reduction,
        options: sample.options
      )
    } oracle: {
      sample.oracle($0[0])
    }
  }

  @Test(arguments: samples)
  func linearGradientsAgreeWithDifferences(sample: Sample) {
    let shapes: [Shape] = [[sample.rows, 5], [sample.classes, 5]]
    GradientCheck()("linear cross-entropy", shapes) {
      linearCrossEntropy(
        hidden: $0[0],
        weight: $0[1],
        targets: sample.targets,
        reduction: sample.reduction,
        options: sample.options
      )
    } oracle: {
      sample.oracle($0[0].matmul($0[1], transposingOther: true))
    }
  }

  /// ⌊2²² / 40 000 / 64⌋ · 64 = 64 rows: two chunks and a rest.
  @Test func chunksGiveWhatTheWholeGives() {
    var generator = Philox(seed: 9)
    let x = Tensor<Float>.normal([150, 7], using: &generator)
    let w = Tensor<Float>.normal([40_000, 7], using: &generator)
    let targets = Tensor<Int32>((0..<150).map { $0 % 11 == 5 ? -100 : Int32($0 * 263) })
    for reduction in [LossReduction.mean, .none] {
      let (a, b) = (Variable(following: x), Variable(following: w))
      let (c, d) = (Variable(following: x), Variable(following: w))
      let whole = crossEntropy(
        logits: a.matmul(b, transposingOther: true),
        targets: targets,
        reduction: reduction
      )
      let chunked = linearCrossEntropy(
        hidden: c,
        weight: d,
        targets: targets,
        reduction: reduction
      )
      expectClose(chunked.value, whole.value, relative: 1e-5)
      let upstream = Tensor<Float>.uniform(whole.shape, using: &generator)
      whole.backward(from: upstream)
      chunked.backward(from: upstream)
      for (found, expected) in [(c, a), (d, b)] {
        guard let found = found.gradient, let expected = expected.gradient else {
          Issue.record("no gradient")
          return
        }
        expectClose(found, expected, relative: 1e-4, absolute: 1e-5 * expected.max())
      }
    }
  }

  @Test func logitsMakeRoomForTheirGradient() {
    var found: UnsafePointer<Float>?
    let product = Variable.custom(.ones([64, 64]), input: Variable(following: .ones([64, 64]))) {
      found = $0.withUnsafeElements { $0.baseAddress }
      return $0
    }
    let place = product.value.withUnsafeElements { $0.baseAddress }
    crossEntropy(logits: consume product, targets: .zeros([64]), reduction: .sum).backward()
    #expect(found == place)
  }

  @Test func logitsInUseStayWhatTheyAre() {
    let logits = Variable(following: .ones([3, 40]))
    let doubled = logits * 2
    let loss = crossEntropy(logits: doubled, targets: .zeros([3]))
    loss.backward(keepingTape: true)
    let first = logits.gradient
    loss.backward()
    #expect(doubled.value == Tensor(repeating: 2, shape: [3, 40]))
    #expect(logits.gradient == first.map { $0 + $0 })
  }

  @Test func withoutTargetsTheMeanIsNotANumber() {
    let logits = Variable(following: .ones([2, 3]))
    let targets = Tensor<Int32>([-100, -100])
    #expect(crossEntropy(logits: logits, targets: targets).item.isNaN)
    #expect(crossEntropy(logits: logits, targets: targets, reduction: .sum).item == 0)
  }

  @Test func notANumberInOneLogitShows() {
    let x = Tensor<Float>([1, .nan, 2, 3, 4, 5], shape: [2, 3])
    let losses = x.crossEntropy(targets: Tensor<Int32>([0, 0]))
    #expect(losses.elements[0].isNaN)
    #expect(losses.elements[1].isFinite)
  }

  @Test func logProbabilitiesAreGatheredLogSoftmax() {
    var generator = Philox(seed: 12)
    let x = Tensor<Float>.normal([2, 3, 19], deviation: 4, using: &generator)
    let targets = Tensor<Int32>([0, 18, 7, -100, 2, 2], shape: [2, 3])
    let all = x.logSoftmax().elements
    let expected = zip(0..., targets.elements).map { row, target in
      target < 0 ? 0 : all[row * 19 + Int(target)]
    }
    let found = x.logProbabilities(of: targets)
    #expect(found.shape == [2, 3])
    expectClose(found.elements, expected, relative: 1e-5, absolute: 1e-6)
    expectClose(logProbabilities(logits: Variable(x), targets: targets).value, found)
  }

  @Test func partsDoNotDependOnThreads() {
    var generator = Philox(seed: 13)
    let x = Tensor<Float>.normal([301, 24], using: &generator)
    let w = Tensor<Float>.normal([2011, 24], using: &generator)
    let targets = Tensor<Int32>((0..<301).map { Int32($0 * 6) })
    func run() -> [Tensor<Float>?] {
      let (a, b) = (Variable(following: x), Variable(following: w))
      let loss = linearCrossEntropy(hidden: a, weight: b, targets: targets)
      loss.backward()
      return [loss.value, a.gradient, b.gradient]
    }
    let (one, two) = withThreads(run)
    #expect(one == two)
  }
}
