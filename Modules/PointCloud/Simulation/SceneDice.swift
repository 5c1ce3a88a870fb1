import Foundation
import Tensor

/// The random draws of a scene: even, normal and Poisson numbers from one generator.
struct SceneDice {
  private var generator: Philox

  /// Draws from this generator.
  init(_ generator: Philox) { self.generator = generator }

  /// A number in [0, 1), of 53 random bits.
  private mutating func unit() -> Double { Double(generator.next() >> 11) * 0x1p-53 }

  /// An even number from [lower, upper).
  mutating func uniform(_ lower: Double, _ upper: Double) -> Double {
    lower + (upper - lower) * unit()
  }

  /// True with this probability.
  mutating func chance(_ probability: Double) -> Bool { unit() < probability }

  /// A normal number, drawn again beyond three deviations: no length of an object is absurd.
  mutating func normal(_ mean: Double, _ deviation: Double) -> Double {
    while true {
      let radius = (-2 * log(1 - unit())).squareRoot()
      let z = radius * cos(2 * .pi * unit())
      if abs(z) <= 3 { return mean + deviation * z }
    }
  }

  /// A Poisson number, by multiplying even numbers (Knuth): for small means.
  mutating func poisson(_ mean: Double) -> Int {
    let limit = exp(-mean)
    var (count, product) = (0, unit())
    while product > limit {
      count += 1
      product *= unit()
    }
    return count
  }

  /// One of the values, with these probabilities (the last takes what is left).
  mutating func choice<Value>(_ values: [(value: Value, probability: Double)]) -> Value {
    var rest = unit()
    for (value, probability) in values.dropLast() {
      if rest < probability { return value }
      rest -= probability
    }
    return values[values.count - 1].value
  }
}
