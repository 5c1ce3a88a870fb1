import Autograd
import Tensor
import TestSupport
import Testing

@Suite struct DropoutTests {
  private func layer(_ rate: Float, seed: UInt64) -> Dropout {
    var generator = Philox(seed: seed)
    return Dropout(rate: rate, using: &generator)
  }

  @Test func inUseTheInputPassesUntouched() {
    let dropout = layer(0.5, seed: 1)
    let model = Sequential(Flatten(), dropout)
    let x = Tensor<Float>.ones([4, 5, 5])
    model.eval()
    #expect(!dropout.isTraining)
    #expect(model(x) == .ones([4, 25]))
    model.train()
    #expect(dropout.isTraining)
    #expect(model(x) != .ones([4, 25]))
  }

  @Test func theSameSeedGivesTheSameMasks() {
    let (a, b, other) = (layer(0.3, seed: 7), layer(0.3, seed: 7), layer(0.3, seed: 8))
    let x = Tensor<Float>.ones([64])
    let first = a(x)
    #expect(first == b(x))
    #expect(first != other(x))
    #expect(first != a(x), "each pass has its own mask")
    #expect(a.generator != layer(0.3, seed: 7).generator)
    a.generator = b.generator
    #expect(a(x) == b(x), "a stored generator goes on where it was")
  }

  @Test func layersOfOneGeneratorHaveMasksOfTheirOwn() {
    var generator = Philox(seed: 3)
    let (a, b) = (Dropout(using: &generator), Dropout(using: &generator))
    #expect(a(Tensor<Float>.ones([64])) != b(.ones([64])))
  }

  /// 100 000 draws: the share of zeros lies within 5 deviations, 5 · √(0.2 · 0.8 / 100 000) = 0.0063.
  @Test func keptElementsAreScaledAndPassTheirGradient() {
    let x = Variable(following: .ones([100_000]))
    let y = layer(0.2, seed: 2)(x)
    let zeros = y.value.elements.count { $0 == 0 }
    #expect(abs(Float(zeros) / 100_000 - 0.2) < 0.0063)
    #expect(y.value.elements.allSatisfy { $0 == 0 || $0 == 1.25 })
    y.sum().backward()
    #expect(x.gradient == y.value)
  }

  @Test func theEndsOfTheRangeKeepAllAndNothing() {
    let x = Tensor<Float>.ones([9])
    #expect(layer(0, seed: 1)(x) == x)
    #expect(layer(1, seed: 1)(x) == .zeros([9]))
  }

  @Test func checkpointedBodiesDrawTheSameMasksAgain() {
    func gradients(isCheckpointed: Bool) -> [Tensor<Float>?] {
      let (first, second) = (layer(0.5, seed: 4), layer(0.5, seed: 5))
      let weight = Parameter(Tensor((1...32).map { Float($0) }))
      func inner(_ x: Variable) -> Variable { second(x * weight.variable) }
      func outer(_ x: Variable) -> Variable {
        let hidden = first(x * weight.variable)
        return first(isCheckpointed ? checkpointed(hidden, inner) : inner(hidden)).square()
      }
      let x = Variable(following: .ones([32]))
      let y = isCheckpointed ? checkpointed(x, outer) : outer(x)
      first.generator = Philox(seed: 99)
      y.sum().backward()
      return [y.value, x.gradient, weight.gradient]
    }
    #expect(gradients(isCheckpointed: true) == gradients(isCheckpointed: false))
  }

  @Test func checkpointedBodiesMoveStatisticsOnce() {
    let (plain, saving) = (BatchNorm(channels: 3), BatchNorm(channels: 3))
    var generator = Philox(seed: 6)
    let values = Tensor<Float>.normal([5, 3], mean: 2, using: &generator)
    plain(Variable(following: values)).square().sum().backward()
    checkpointed(Variable(following: values)) { saving($0) }.square().sum().backward()
    #expect(saving.runningMean.value == plain.runningMean.value)
    #expect(saving.runningVariance.value == plain.runningVariance.value)
    #expect(saving.weight.gradient == plain.weight.gradient)
  }

  @Test func anImpossibleRateStops() async throws {
    let result = try #require(
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        var generator = Philox(seed: 1)
        _ = Dropout(rate: 1.5, using: &generator)
      }
    )
    let text = String(decoding: result.standardErrorContent, as: UTF8.self)
    #expect(text.contains("dropout: a rate of 1.5 is not in [0, 1]"))
  }
}
