import Autograd
import Foundation
import PointCloud
import Tensor
import TestSupport
import Testing

@Suite struct SegmentationLossTests {
  static func draw(_ rows: Int, _ classes: Int, seed: UInt64) -> (Tensor<Float>, Tensor<Int32>) {
    var generator = Philox(seed: seed)
    let logits = Tensor<Float>.uniform([rows, classes], from: -3, to: 3, using: &generator)
    let targets = (0..<rows).map { _ in Int32(generator.next() % UInt64(classes + 1)) - 1 }
    return (logits, Tensor(targets, shape: [rows]))
  }

  /// Algorithm 1 of the paper as it stands, in Double: cumulative sums, then differences.
  static func naiveLovasz(
    _ logits: Tensor<Double>,
    _ targets: [Int32],
    _ classes: LovaszClasses
  ) -> Double {
    let width = logits.shape[1]
    let rows = targets.indices.filter { targets[$0] >= 0 }
    var losses: [Double] = []
    for label in 0..<width {
      let total = rows.filter { targets[$0] == label }.count
      if classes == .present && total == 0 { continue }
      let errors = rows.map { row -> (error: Double, isMember: Bool) in
        let x = logits.elements[row * width..<(row + 1) * width].map { exp($0) }
        let p = x[label] / x.reduce(0, +)
        let isMember = targets[row] == label
        return (isMember ? 1 - p : p, isMember)
      }
      let order = errors.indices.sorted {
        (-errors[$0].error, $0) < (-errors[$1].error, $1)
      }
      var (loss, before, hits, misses) = (0.0, 0.0, 0, 0)
      for place in order {
        if errors[place].isMember { hits += 1 } else { misses += 1 }
        let jaccard = 1 - Double(total - hits) / Double(total + misses)
        loss += errors[place].error * (jaccard - before)
        before = jaccard
      }
      losses.append(loss)
    }
    return losses.isEmpty ? 0 : losses.reduce(0, +) / Double(losses.count)
  }

  @Test(arguments: [LovaszClasses.present, .all], [1, 3, 17])
  func lovaszGradientByDifferences(classes: LovaszClasses, rows: Int) {
    let (logits, targets) = Self.draw(rows, 4, seed: UInt64(rows))
    GradientCheck()("lovász", inputs: [logits]) {
      lovaszSoftmax(logits: $0[0], targets: targets, classes: classes)
    } oracle: {
      Tensor([Self.naiveLovasz($0[0], targets.elements, classes)], shape: [])
    }
  }

  @Test(arguments: [257, 2_000]) func lovaszOfManyRowsIsTheNaiveOne(rows: Int) {
    let (logits, targets) = Self.draw(rows, 5, seed: 9)
    let doubles = Tensor(logits.elements.map(Double.init), shape: logits.shape)
    for classes in [LovaszClasses.present, .all] {
      let found = lovaszSoftmax(logits: Variable(logits), targets: targets, classes: classes)
      let expected = Self.naiveLovasz(doubles, targets.elements, classes)
      expectClose([Double(found.item)], [expected], relative: 1e-5)
    }
  }

  @Test func equalErrorsKeepTheOrderOfTheRows() throws {
    // Both rows have p = (1/2, 1/2) and so the error 1/2 for both classes. Class 0 (row 1 is of it):
    // row 0 first, a miss: J = 1 − 1/2, then row 1: J = 1. Class 1 (row 0): J = 1, then 1.
    let logits = Variable(following: .zeros([2, 2]))
    let loss = lovaszSoftmax(logits: logits, targets: Tensor([1, 0]))
    #expect(loss.item == 0.5)
    loss.backward()
    // Slopes: class 0 (1/2, −1/2), class 1 (−1, 0); the logits' gradients are (s − mean s) / 4.
    let expected: [Float] = [0.1875, -0.1875, -0.0625, 0.0625]
    expectClose(try #require(logits.gradient).elements, expected, absolute: 1e-7)
  }

  @Test func perfectAndHopelessPredictions() {
    let targets = Tensor<Int32>([0, 1, 1])
    let right = Tensor<Float>([90, 0, 0, 90, 0, 90], shape: [3, 2])
    #expect(lovaszSoftmax(logits: Variable(right), targets: targets).item < 1e-30)
    #expect(lovaszSoftmax(logits: Variable(-right), targets: targets).item == 1)
  }

  @Test func weightedCrossEntropyByDifferences() {
    let (logits, targets) = Self.draw(17, 4, seed: 2)
    let weights: [Float] = [0.5, 2, 1, 3]
    GradientCheck()("weighted cross-entropy", inputs: [logits]) {
      weightedCrossEntropy(logits: $0[0], targets: targets, weights: weights)
    } oracle: { inputs in
      var (loss, total) = (0.0, 0.0)
      for (row, target) in targets.elements.enumerated() where target >= 0 {
        let x = inputs[0].elements[row * 4..<(row + 1) * 4].map { $0 }
        let weight = Double(weights[Int(target)])
        let sum = x.reduce(0) { $0 + exp($1) }
        loss += weight * (log(sum) - x[Int(target)])
        total += weight
      }
      return Tensor([loss / total], shape: [])
    }
  }

  @Test func nothingThatCountsCostsNothing() {
    let loss = SegmentationLoss(classWeights: [1, 2, 3])
    for rows in [0, 4] {
      let logits = Variable(following: .ones([rows, 3]))
      let none = SegmentationLoss.Rows(
        logits: logits,
        targets: Tensor(Array(repeating: -1, count: rows), shape: [rows])
      )
      let value = loss(points: none, voxels: none)
      #expect(value.total.item == 0)
      value.total.backward()
      #expect(logits.gradient?.elements == Array(repeating: 0, count: rows * 3))
    }
  }

  @Test(arguments: [1, 4]) func oneClassOrOneRow(classes: Int) {
    let logits = Variable(following: .zeros([1, classes]))
    for kind in [LovaszClasses.present, .all] {
      let loss = lovaszSoftmax(logits: logits, targets: Tensor([0]), classes: kind)
      #expect(loss.item >= 0 && loss.item <= 1)
      loss.backward()
    }
    #expect(logits.gradient?.elements.allSatisfy { $0.isFinite } == true)
  }

  @Test(arguments: [3, 300]) func notANumberShowsInTheLoss(rows: Int) {
    var (logits, targets) = Self.draw(rows, 3, seed: 4)
    logits.withUnsafeMutableElements { $0[4] = .nan }
    targets.withUnsafeMutableElements { $0[1] = 1 }
    let variable = Variable(following: logits)
    let rows = SegmentationLoss.Rows(logits: variable, targets: targets)
    let value = SegmentationLoss()(points: rows, voxels: rows)
    #expect(value.total.item.isNaN)
    value.total.backward()
  }

  @Test func partsAddUpByTheirWeights() {
    let (logits, targets) = Self.draw(12, 3, seed: 6)
    let members = VoxelMembers(pointToVoxel: Tensor([2, 0, 1, 1]), voxelCount: 3)
    let voxels = logits[0..<3]
    var loss = SegmentationLoss(classWeights: [1, 5, 2])
    func value() -> SegmentationLoss.Value {
      loss(
        voxelLogits: Variable(voxels),
        members: members,
        pointTargets: targets[3..<7],
        voxelTargets: Tensor([0, 1, 2])
      )
    }
    let whole = value()
    let parts = [
      whole.pointLovasz, whole.pointCrossEntropy, whole.voxelLovasz, whole.voxelCrossEntropy,
    ]
    expectClose([whole.total.item], [parts.reduce(0) { $0 + ($1 ?? .nan) }], relative: 1e-6)
    loss.pointLovasz = 0
    loss.pointCrossEntropy = 0
    loss.voxelLovasz = 0.5
    let half = value()
    #expect(half.pointLovasz == nil && half.pointCrossEntropy == nil)
    #expect(half.voxelLovasz == whole.voxelLovasz)
    let expected = (half.voxelLovasz ?? 0) / 2 + (half.voxelCrossEntropy ?? 0)
    expectClose([half.total.item], [expected], relative: 1e-6)
  }

  @Test func threadsDoNotChangeABit() {
    let (logits, targets) = Self.draw(3_000, 7, seed: 8)
    func run() -> (Float, Tensor<Float>?) {
      let variable = Variable(following: logits)
      let loss = lovaszSoftmax(logits: variable, targets: targets)
      loss.backward()
      return (loss.item, variable.gradient)
    }
    let before = WorkPool.threadCount
    defer { WorkPool.threadCount = before }
    WorkPool.threadCount = 1
    let one = run()
    WorkPool.threadCount = 4
    let four = run()
    #expect(one.0 == four.0 && one.1 == four.1)
  }
}
