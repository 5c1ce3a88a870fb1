import CKernels
import Foundation
import TestSupport
import Testing

@testable import Tensor

/// A function with the arguments where it is tried and the error that is allowed.
private struct Trial: CustomTestStringConvertible, Sendable {
  let function: ElementFunction
  let range: ClosedRange<Double>
  /// Units in the last place of the result.
  let units: Double
  var low = 0.0
  var high = 0.0

  var testDescription: String { "\(function)" }
}

private let trials: [Trial] = [
  Trial(function: .absolute, range: -5...5, units: 0),
  Trial(function: .square, range: -5...5, units: 0.51),
  Trial(function: .squareRoot, range: 0...1e6, units: 0.51),
  Trial(function: .reciprocal, range: -5...5, units: 0.51),
  Trial(function: .reciprocalRoot, range: 1e-6...100, units: 1.5),
  Trial(function: .sign, range: -2...2, units: 0),
  Trial(function: .floor, range: -9...9, units: 0),
  Trial(function: .ceiling, range: -9...9, units: 0),
  Trial(function: .round, range: -9...9, units: 0),
  Trial(function: .clamp, range: -3...3, units: 0, low: -1, high: 1.5),
  Trial(function: .exp, range: -87...88.7, units: 2),
  Trial(function: .expm1, range: -20...88, units: 2),
  Trial(function: .expm1, range: -0.01...0.01, units: 2),
  Trial(function: .log, range: 1e-30...100, units: 2),
  Trial(function: .log, range: 0.9...1.1, units: 2),
  Trial(function: .log1p, range: -0.99...50, units: 2),
  Trial(function: .log1p, range: -0.01...0.01, units: 2),
  Trial(function: .sine, range: -3...3, units: 2),
  Trial(function: .cosine, range: -1.5...1.5, units: 2),
  Trial(function: .tanh, range: -9...9, units: 3),
  Trial(function: .tanh, range: -0.01...0.01, units: 3),
  Trial(function: .sigmoid, range: -80...80, units: 2.5),
  Trial(function: .erf, range: -5...5, units: 3),
  Trial(function: .relu, range: -2...2, units: 0),
  Trial(function: .leakyReLU, range: -2...2, units: 0.51, low: 0.125),
  Trial(function: .elu, range: -15...5, units: 3, low: 1.5),
  Trial(function: .gelu, range: -2...8, units: 5),
  Trial(function: .gelu, range: -8 ... -2, units: 30),
  Trial(function: .geluTanh, range: -2...8, units: 8),
  Trial(function: .geluTanh, range: -4 ... -2, units: 30),
  Trial(function: .silu, range: -80...80, units: 4),
  Trial(function: .softplus, range: -80...80, units: 3),
]

@Suite struct FunctionTests {
  @Test(arguments: trials)
  fileprivate func agreesWithDouble(trial: Trial) {
    var generator = Philox(seed: 3)
    let (low, high) = (Float(trial.range.lowerBound), Float(trial.range.upperBound))
    let x = Tensor<Float>.uniform([40_003], from: low, to: high, using: &generator)
    let found = x.applying(trial.function, Float(trial.low), Float(trial.high)).elements
    var worst = (units: 0.0, at: Float(0), found: Float(0), expected: 0.0)
    for (argument, value) in zip(x.elements, found) {
      let expected = trial.function.value(Double(argument), trial.low, trial.high)
      let unit = max(Double(Float(abs(expected)).ulp), 1.2e-38)
      let units = abs(Double(value) - expected) / unit
      if !(units <= worst.units) { worst = (units, argument, value, expected) }
    }
    #expect(worst.units <= trial.units, "\(trial.function): \(worst)")
  }

  @Test(arguments: [0, 1, 3, 8, 15, 16, 17, 33, 70_001])
  func everyLengthIsFilled(count: Int) {
    let x = Tensor<Float>((0..<count).map { Float($0 % 7) - 3 })
    #expect(x.abs().elements == x.elements.map { abs($0) })
    #expect(x.relu().elements == x.elements.map { max($0, 0) })
    #expect(x.square().elements == x.elements.map { $0 * $0 })
  }

  @Test func limitsAndBrokenArguments() {
    let x = Tensor<Float>([.nan, .infinity, -.infinity, 0, -0.0, 1e30, -1e30])
    func expect(_ y: Tensor<Float>, _ expected: [Float], _ name: String) {
      for (found, wanted) in zip(y.elements, expected) {
        let agrees = wanted.isNaN ? found.isNaN : found == wanted && found.sign == wanted.sign
        #expect(agrees, "\(name): \(y.elements), expected \(expected)")
      }
    }
    let (nan, inf) = (Float.nan, Float.infinity)
    expect(x.exp(), [nan, inf, 0, 1, 1, inf, 0], "exp")
    expect(x.expm1(), [nan, inf, -1, 0, -0.0, inf, -1], "expm1")
    expect(x.tanh(), [nan, 1, -1, 0, -0.0, 1, -1], "tanh")
    expect(x.sigmoid(), [nan, 1, 0, 0.5, 0.5, 1, 0], "sigmoid")
    expect(x.erf(), [nan, 1, -1, 0, -0.0, 1, -1], "erf")
    expect(x.relu(), [nan, inf, 0, 0, 0, 1e30, 0], "relu")
    expect(x.softplus(), [nan, inf, 0, log(2), log(2), 1e30, 0], "softplus")
    expect(x.sign(), [nan, 1, -1, 0, -0.0, 1, -1], "sign")
    expect(x.clamped(to: -1...1), [nan, 1, -1, 0, -0.0, 1, -1], "clamp")
    for y in [x.gelu(), x.gelu(.tanh), x.silu()] {
      let found = y.elements
      #expect(found[0].isNaN && found[1] == inf && found[5] == 1e30)
      #expect([found[2], found[3], found[4], found[6]].allSatisfy { abs($0) < 1e-30 })
    }
    let logs = Tensor<Float>([.nan, .infinity, 0, -1, 1, 0x1p-133]).log().elements
    #expect(logs[0].isNaN && logs[1] == inf && logs[2] == -inf && logs[3].isNaN && logs[4] == 0)
    #expect(abs(Double(logs[5]) - log(0x1p-133)) < 1e-5)
    let more = Tensor<Float>([.nan, .infinity, -1, -2, 0]).log1p().elements
    #expect(more[0].isNaN && more[1] == inf && more[2] == -inf && more[3].isNaN && more[4] == 0)
    let angles: [Float] = [1e6, -1e9, 3e7, .infinity, .nan]
    for (angle, (s, c)) in zip(
      angles,
      zip(Tensor<Float>(angles).sin().elements, Tensor<Float>(angles).cos().elements)
    ) {
      guard angle.isFinite else {
        #expect(s.isNaN && c.isNaN)
        continue
      }
      #expect(abs(Double(s) - sin(Double(angle))) < 1e-6)
      #expect(abs(Double(c) - cos(Double(angle))) < 1e-6)
    }
  }

  @Test(arguments: [-3, -2, -1, -0.5, 0, 0.3, 0.5, 1, 2, 3, 7, 2.5] as [Float])
  func powers(exponent: Float) {
    let x = Tensor<Float>([0.01, 0.5, 1, 1.7, 30, 0, -2, -0.3, .infinity, .nan])
    let found = x.pow(exponent).elements
    for (base, value) in zip(x.elements, found) {
      let expected = pow(Double(base), Double(exponent))
      if expected.isNaN {
        #expect(value.isNaN, "\(base) to \(exponent) is \(value)")
      } else {
        let error = abs(Double(value) - expected)
        #expect(error <= 2.5e-7 * abs(expected) || Double(value) == expected, "\(base)^\(exponent)")
      }
    }
  }

  @Test(arguments: GateFunction.allCases)
  func gates(function: GateFunction) {
    var generator = Philox(seed: 9)
    for shape in [[0], [1], [3, 5], [17, 33], [300, 257]] as [Shape] {
      let (gate, up) = (
        Tensor<Float>.uniform(shape, from: -6, to: 6, using: &generator),
        Tensor<Float>.uniform(shape, from: -2, to: 2, using: &generator)
      )
      let found = gate.gated(function, by: up)
      let expected = zip(gate.elements, up.elements).map {
        function.function.value(Double($0), 0, 0) * Double($1)
      }
      expectClose(found.elements.map(Double.init), expected, relative: 2e-6, absolute: 1e-9)
      guard shape.rank == 2 else { continue }
      let rows = (0..<shape[0]).flatMap { gate[$0].elements + up[$0].elements }
      let both = Tensor(rows, shape: [shape[0], 2 * shape[1]])
      // The compiler may contract products and sums in the two loops differently.
      let halves = both.gatedHalves(function)
      #expect(halves.shape == found.shape)
      #expect(
        zip(halves.elements, found.elements)
          .allSatisfy { abs($0 - $1) <= 1e-5 * abs($1) + 1e-7 }
      )
    }
  }

  @Test func doublesHaveTheSameFunctions() {
    let x = Tensor<Double>([0.1, 0.7, 2])
    #expect(x.exp().elements == [exp(0.1), exp(0.7), exp(2)])
    #expect(x.pow(3).elements == [pow(0.1, 3), pow(0.7, 3), 8])
    #expect(x.gelu().elements[1] == 0.7 * 0.5 * erfc(-0.7 / 2.0.squareRoot()))
  }
}

@Suite struct DropoutTests {
  /// Which elements stay, by the plain generator.
  private func isKept(_ index: Int, rate: Float, mask: Philox) -> Bool {
    let source = mask.forKernels
    let block = UInt64(index / 64 * 16 + index % 16)
    let words = Philox.block(
      counter: SIMD4(
        UInt32(truncatingIfNeeded: block),
        UInt32(block >> 32),
        UInt32(truncatingIfNeeded: source.stream),
        UInt32(source.stream >> 32)
      ),
      key0: source.key0,
      key1: source.key1
    )
    return words[index % 64 / 16] >= UInt32(Double(rate) * 0x1p32)
  }

  @Test(arguments: [1, 15, 16, 64, 65, 1000, 40_007])
  func maskIsThatOfTheGenerator(count: Int) {
    let mask = Philox(seed: 77).fork(3)
    let x = Tensor<Float>((0..<count).map { Float($0 + 1) })
    let found = x.droppingOut(0.3, mask: mask).elements
    for index in 0..<count {
      let expected = isKept(index, rate: 0.3, mask: mask) ? Float(index + 1) * (1 / 0.7) : 0
      #expect(found[index] == expected)
    }
  }

  @Test func theShareAndTheExpectationAreRight() {
    let x = Tensor<Float>.ones([200_000])
    let y = x.droppingOut(0.25, mask: Philox(seed: 1))
    #expect(abs((y .== 0).trueCount - 50_000) < 800)
    #expect(abs(y.mean() - 1) < 0.01)
    #expect(x.droppingOut(0, mask: Philox(seed: 1)) == x)
    #expect(x.droppingOut(1, mask: Philox(seed: 1)).max() == 0)
  }
}
