import Foundation
import Tensor
import TestSupport
import Testing

@Suite struct ArithmeticTests {
  /// Around the vector width and around the length of one part of a parallel operation.
  private static let counts = [0, 1, 3, 8, 17, 1000, 16_384, 16_389, 50_000]

  private func pair(_ count: Int) -> (Tensor<Float>, Tensor<Float>) {
    var generator = Philox(seed: UInt64(count))
    let a = Tensor<Float>.normal([count], using: &generator)
    return (a, .uniform([count], from: 0.5, to: 4, using: &generator))
  }

  @Test(arguments: counts)
  func elementwiseOperationsRoundOnce(count: Int) {
    let (a, b) = pair(count)
    let (x, y) = (a.elements, b.elements)
    #expect((a + b).elements == zip(x, y).map { $0 + $1 })
    #expect((a - b).elements == zip(x, y).map { $0 - $1 })
    #expect((a * b).elements == zip(x, y).map { $0 * $1 })
    #expect((a / b).elements == zip(x, y).map { $0 / $1 })
    var sum = a
    sum += b
    #expect(sum == a + b)
  }

  @Test(arguments: counts)
  func numbersScaleAndShift(count: Int) {
    let (a, _) = pair(count)
    #expect((a * 3).elements == a.elements.map { $0 * 3 })
    #expect((3 * a) == a * 3)
    #expect((a + 0.25).elements == a.elements.map { $0 + 0.25 })
  }

  @Test(arguments: counts)
  func transcendentalFunctionsAgreeWithDouble(count: Int) {
    let (a, b) = pair(count)
    let x = (a * 10).elements.map(Double.init)
    let exponentials = (a * 10).exp().elements.map(Double.init)
    expectClose(exponentials, x.map { exp($0) }, relative: 1e-6)
    let silu = (a * 10).silu().elements.map(Double.init)
    expectClose(silu, x.map { $0 / (1 + exp(-$0)) }, relative: 3e-6, absolute: 1e-9)
    let gated = (a * 10).gated(.silu, by: b).elements.map(Double.init)
    let expected = zip(x, b.elements).map { $0 / (1 + exp(-$0)) * Double($1) }
    expectClose(gated, expected, relative: 3e-6, absolute: 1e-9)
  }

  @Test func exponentialAtTheEdges() {
    let x = Tensor<Float>([0, -0.0, 1, 89, -110, .infinity, -.infinity, 88])
    let found = x.exp().elements
    #expect(found[0] == 1 && found[1] == 1)
    expectClose([found[2], found[7]], [2.7182817, 1.6516363e38], relative: 1e-6)
    #expect(found[3] == .infinity && found[5] == .infinity)
    #expect(found[4] == 0 && found[6] == 0)
    #expect(Tensor<Float>([.nan]).exp().item.isNaN)
  }

  @Test func siluAtTheEdges() {
    let found = Tensor<Float>([0, 200, -200, -.infinity, .infinity]).silu().elements
    #expect(found[0] == 0 && found[1] == 200)
    #expect(abs(found[2]) == 0)
    #expect(found[4] == .infinity)
    #expect(Tensor<Float>([.nan]).silu().item.isNaN)
  }

  @Test func scalarsAddToo() {
    let sum = Tensor<Float>(scalar: 2) + Tensor(scalar: 3)
    #expect(sum.shape == [])
    #expect(sum.item == 5)
  }

  @Test func creationFillsEveryElement() {
    #expect(Tensor<Float>.ones([2, 3]).elements == [1, 1, 1, 1, 1, 1])
    #expect(Tensor<Bool>.zeros([2]).elements == [false, false])
    #expect(Tensor<Double>(repeating: 0.1, shape: [3]).elements == [0.1, 0.1, 0.1])
    #expect(Tensor<Int64>([1, -2]).shape == [2])
    #expect(ElementType.allCases.map(\.byteCount) == [4, 2, 2, 8, 8, 4, 1, 1, 1])
  }
}
