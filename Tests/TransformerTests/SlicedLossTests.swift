import Autograd
import Tensor
import TestSupport
import Testing
import Transformer

/// The loss of a head that is not trained, which never holds all logits.
@Suite struct SlicedLossTests {
  /// States of more rows than two slices have, and targets of which some count for nothing.
  private func rows(
    _ shape: TransformerConfiguration,
    isSparse: Bool
  ) -> (states: Tensor<Float>, targets: Tensor<Int32>) {
    var generator = Philox(seed: 11)
    let count = 300
    let states = Tensor<Float>.normal([count, shape.hiddenWidth], using: &generator)
    let targets = (0..<count).map { row -> Int32 in
      isSparse && row % 3 == 0 ? -100 : Int32(row * 7 % shape.vocabularyCount)
    }
    return (states, Tensor(targets, shape: [count]))
  }

  @Test(arguments: [nil, 5] as [Float?], [false, true])
  func valueAndGradientEqualThoseOfAllLogits(cap: Float?, isSparse: Bool) throws {
    var shape = DecoderModelTests.configuration
    shape.logitSoftCap = cap
    let model = try DecoderModel(shape, weights: RandomWeights())
    let (states, targets) = rows(shape, isSparse: isSparse)
    func run(_ loss: (Variable) -> Variable) throws -> (value: Float, gradient: Tensor<Float>) {
      let input = Variable(following: states)
      let result = loss(input) * 3
      result.backward()
      return (result.item, try #require(input.gradient))
    }
    let sliced = try run { model.loss(ofStates: $0, targets: targets) }
    let plain = try run { crossEntropy(logits: model.logits($0), targets: targets) }
    #expect(abs(sliced.value - plain.value) <= 1e-5 * abs(plain.value))
    expectClose(sliced.gradient, plain.gradient, relative: 1e-5, absolute: 1e-7)
  }

  @Test func withoutGradientsTheValueIsTheSame() throws {
    let shape = DecoderModelTests.configuration
    let model = try DecoderModel(shape, weights: RandomWeights())
    let (states, targets) = rows(shape, isSparse: true)
    let followed = model.loss(ofStates: Variable(following: states), targets: targets)
    let constant = model.loss(ofStates: Variable(states), targets: targets)
    let silent = withoutGradients {
      model.loss(ofStates: Variable(following: states), targets: targets)
    }
    #expect(followed.isFollowed && !constant.isFollowed && !silent.isFollowed)
    #expect(constant.item == silent.item)
    #expect(abs(followed.item - constant.item) <= 1e-6 * abs(constant.item))
  }

  @Test func noTargetThatCountsIsNoNumber() throws {
    let shape = DecoderModelTests.configuration
    let model = try DecoderModel(shape, weights: RandomWeights())
    let states = Tensor<Float>.ones([4, shape.hiddenWidth])
    let targets = Tensor<Int32>([-100, -100, -100, -100], shape: [4])
    #expect(model.loss(ofStates: Variable(states), targets: targets).item.isNaN)
  }
}
