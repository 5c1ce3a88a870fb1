import Autograd
import Tensor
import TestSupport
import Testing

@Suite struct CheckpointingTests {
  private let weight = Parameter(Tensor([1, 2, -1, 0.5], shape: [2, 2]))

  private func block(_ x: Variable) -> Variable {
    let y = linear(x, weight: weight.variable)
    return y * y
  }

  @Test func gradientsAreThoseOfThePlainRun() {
    let values = Tensor<Float>([1, 2, 3, -1, 0, 1], shape: [3, 2])
    let plain = Variable(following: values)
    block(block(plain)).sum().backward()
    let expected = weight.gradient
    weight.clearGradient()

    let x = Variable(following: values)
    checkpointed(checkpointed(x, block), block).sum().backward()
    #expect(x.gradient == plain.gradient)
    #expect(weight.gradient == expected)
  }

  @Test func parametersInsideAreReachedFromConstants() {
    let x = Variable(Tensor<Float>([1, 2], shape: [1, 2]))
    checkpointed(x, block).sum().backward()
    #expect(weight.gradient != nil)
    #expect(withoutGradients { checkpointed(x, block) }.isFollowed == false)
  }

  @Test func theTapeInsideIsNotKept() {
    final class Token {}
    weak var token: Token?
    func holding(_ x: Variable) -> Variable {
      let held = Token()
      token = held
      return .custom(x.value, input: x) { gradient in withExtendedLifetime(held) { gradient } }
    }
    let x = Variable(following: Tensor<Float>.ones([2]))
    let plain = holding(x)
    #expect(token != nil)
    let saving = checkpointed(x, holding)
    #expect(token == nil)
    withExtendedLifetime((plain, saving)) {}
  }
}
