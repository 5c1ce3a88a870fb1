import Autograd
import Tensor
import TestSupport
import Testing

@Suite struct TapeTests {
  @Test func aSharedInputCollectsAllItsUses() {
    let x = Variable(following: Tensor([1, 2, 3]))
    (x * x + x).sum().backward()
    #expect(x.gradient == Tensor([3, 5, 7]))  // d(x² + x) = 2x + 1
  }

  @Test func gradientsAddUpUntilTheyAreCleared() {
    let parameter = Parameter(Tensor([2]))
    for _ in 0..<3 { (parameter.variable * parameter.variable).sum().backward() }
    #expect(parameter.gradient == Tensor([12]))
    parameter.clearGradient()
    #expect(parameter.gradient == nil)
  }

  @Test func nothingIsRecordedWithoutGradients() {
    let parameter = Parameter(Tensor([2]))
    #expect(withoutGradients { parameter.variable * parameter.variable }.isFollowed == false)
    #expect((parameter.variable * parameter.variable).isFollowed)
    parameter.isTrainable = false
    #expect((parameter.variable * parameter.variable).isFollowed == false)
  }

  @Test func gradientsStopAtADetachedValue() {
    let x = Variable(following: Tensor([3]))
    ((x * x).detached() * x).sum().backward()
    #expect(x.gradient == Tensor([9]))
  }

  @Test func aLongChainIsReleasedWithoutRecursion() {
    final class Token {}
    weak var token: Token?
    func chain(_ x: Variable) -> Variable {
      let held = Token()
      token = held
      let start = Variable.custom(x.value, input: x) { gradient in
        withExtendedLifetime(held) { gradient }
      }
      return (0..<200_000).reduce(start) { y, _ in y + 0.5 }
    }
    let x = Variable(following: Tensor([1]))
    do {
      let dropped = chain(x)
      #expect(token != nil && dropped.isFollowed)
    }
    #expect(token == nil)
    let walked = chain(x).sum()
    walked.backward()
    #expect(token == nil)
    #expect(x.gradient == Tensor([1]) && walked.isFollowed)
  }

  @Test func customOperationsBringTheirOwnGradient() {
    let x = Variable(following: Tensor([1.4, -0.6]))
    let y = Variable.custom(Tensor([1, -1]), input: x) { gradient in gradient * 3 }
    (y * y).sum().backward()
    #expect(x.gradient == Tensor([6, -6]))
  }

  @Test func gradientsByChosenVariablesLeaveParametersAlone() {
    let parameter = Parameter(Tensor([2]))
    parameter.gradient = Tensor([7])
    let x = Variable(following: Tensor([3]))
    let unused = Variable(following: Tensor([1, 1]))
    let found = gradients(of: (parameter.variable * x).sum(), by: [x, unused])
    #expect(found == [Tensor([2]), Tensor([0, 0])])
    #expect(parameter.gradient == Tensor([7]))
    #expect(x.gradient == nil)
  }

  @Test func aKeptTapeCanBeWalkedAgain() {
    let x = Variable(following: Tensor([3]))
    let y = (x * x).sum()
    y.backward(keepingTape: true)
    y.backward()
    #expect(x.gradient == Tensor([12]))
  }

  @Test func aReleasedTapeSaysSo() async throws {
    let result = try #require(
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        let x = Variable(following: Tensor([3]))
        let y = (x * x).sum()
        y.backward()
        y.backward()
      }
    )
    let text = String(decoding: result.standardErrorContent, as: UTF8.self)
    #expect(text.contains("keepingTape: true"))
  }

  @Test func productsPassTheGradientCheck() {
    GradientCheck()("multiply", [[3, 5], [3, 5]]) {
      $0[0] * $0[1]
    } oracle: {
      Tensor(zip($0[0].elements, $0[1].elements).map(*), shape: $0[0].shape)
    }
  }
}
