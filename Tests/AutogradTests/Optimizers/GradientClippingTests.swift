import Autograd
import Tensor
import TestSupport
import Testing

@Suite struct GradientClippingTests {
  @Test func elementsAreMovedIntoTheRange() {
    let (parameter, without) = (Parameter(.zeros([7])), Parameter(.zeros([2])))
    parameter.gradient = Tensor([-3, -0.5, 0, 0.25, 2, .infinity, -.infinity])
    clipGradientElements(of: [parameter, without], to: 0.5)
    #expect(parameter.gradient?.elements == [-0.5, -0.5, 0, 0.25, 0.5, 0.5, -0.5])
    #expect(without.gradient == nil)
  }

  @Test func notANumberStays() {
    let parameter = Parameter(.zeros([20]))
    parameter.gradient = Tensor((0..<20).map { $0 % 9 == 8 ? .nan : 4 })
    clipGradientElements(of: [parameter], to: 1)
    let elements = parameter.gradient?.elements ?? []
    #expect(elements.indices.filter { elements[$0].isNaN } == [8, 17])
    #expect(elements.filter { !$0.isNaN }.allSatisfy { $0 == 1 })
  }

  /// Both ways of clipping write where the gradient lies, and leave copies of it alone.
  @Test func gradientsAreClippedInPlace() throws {
    let parameter = Parameter(.zeros([500]))
    parameter.gradient = Tensor(repeating: 2, shape: [500])
    func address() -> UnsafePointer<Float>? {
      parameter.gradient?.withUnsafeElements(\.baseAddress)
    }
    let before = address()
    clipGradientElements(of: [parameter], to: 1)
    #expect(address() == before)
    clipGradients(of: [parameter], to: 1)
    #expect(address() == before)
    expectClose(
      try #require(parameter.gradient),
      Tensor(repeating: 1 / Float(500).squareRoot(), shape: [500]),
      relative: 1e-6
    )
    let copy = parameter.gradient
    clipGradientElements(of: [parameter], to: 1e-3)
    #expect(copy != parameter.gradient)
  }

  @Test func aMaximumThatIsNotPositiveIsRejected() async {
    await #expect(processExitsWith: .failure) {
      clipGradientElements(of: [Parameter(Tensor([1]))], to: 0)
    }
  }
}
