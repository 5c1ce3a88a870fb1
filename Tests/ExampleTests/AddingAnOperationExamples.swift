import Autograd
import Tensor
import TestSupport
import Testing

/// log(1 + exp(βx)) / β, whose slope is sigmoid(βx).
func softplus(_ x: Variable, beta: Float) -> Variable {
  let scaled = x.value * beta
  return .custom(scaled.softplus() / beta, input: x) { gradient in
    gradient * scaled.sigmoid()
  }
}

/// The code of the article "Adding an operation".
@Suite struct AddingAnOperationExamples {
  @Test func theGradientIsThatOfTheDefinition() {
    GradientCheck()("softplus", [[3, 17]]) {
      softplus($0[0], beta: 2)
    } oracle: { inputs in
      (inputs[0] * 2).softplus() / 2
    }
  }

  @Test func theGradientIsThatOfTheComposition() {
    let x = Variable(following: Tensor([-2, 0, 0.5]))
    let again = Variable(following: x.value)
    softplus(x, beta: 2).sum().backward()
    ((again * 2).softplus() / 2).sum().backward()
    expectClose(x.gradient ?? .zeros([3]), again.gradient ?? .ones([3]), relative: 1e-6)
  }
}
