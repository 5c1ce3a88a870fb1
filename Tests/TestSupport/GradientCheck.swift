public import Autograd
public import Tensor
public import Testing

/// What a gradient check draws and how close it wants the results.
public struct GradientCheck: Sendable {
  /// The interval that inputs are drawn from.
  public var range: ClosedRange<Float> = -2...2
  /// Largest error relative to the largest element of the expected value or gradient.
  public var tolerance = 1e-4
  /// The step of the central differences, in Double.
  public var step = 1e-5
  /// The seed of the inputs.
  public var seed: UInt64 = 1

  /// A check with the usual settings.
  public init(
    range: ClosedRange<Float> = -2...2,
    tolerance: Double = 1e-4,
    seed: UInt64 = 1
  ) {
    self.range = range
    self.tolerance = tolerance
    self.seed = seed
  }

  /// Checks a differentiable operation against its plain definition in Double.
  ///
  /// Draws inputs of `shapes`, compares the values, and compares the gradients that `backward()`
  /// finds with central differences of the definition, for a random weighting of the output.
  public func callAsFunction(
    _ name: String,
    _ shapes: [Shape],
    of operation: ([Variable]) -> Variable,
    oracle: ([Tensor<Double>]) -> Tensor<Double>,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    var generator = Philox(seed: seed)
    let inputs = shapes.map {
      Tensor<Float>.uniform($0, from: range.lowerBound, to: range.upperBound, using: &generator)
    }
    self(name, inputs: inputs, of: operation, oracle: oracle, sourceLocation: sourceLocation)
  }

  /// As above, for given inputs.
  public func callAsFunction(
    _ name: String,
    inputs: [Tensor<Float>],
    of operation: ([Variable]) -> Variable,
    oracle: ([Tensor<Double>]) -> Tensor<Double>,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let doubles = inputs.map { Tensor($0.elements.map(Double.init), shape: $0.shape) }
    let expected = oracle(doubles)
    let variables = inputs.map { Variable(following: $0) }
    let result = operation(variables)
    guard result.shape == expected.shape else {
      Issue.record(
        "\(name): shape \(result.shape), expected \(expected.shape)",
        sourceLocation: sourceLocation
      )
      return
    }
    compare(result.value, expected, "\(name), value", sourceLocation)
    var generator = Philox(seed: seed &+ 1)
    let weights = Tensor<Float>.uniform(result.shape, from: -1, to: 1, using: &generator)
    result.backward(from: weights)
    let weighting = weights.elements.map(Double.init)
    for index in inputs.indices {
      let found = variables[index].gradient ?? .zeros(inputs[index].shape)
      let numeric = differences(of: oracle, at: doubles, by: index, weighting: weighting)
      compare(found, numeric, "\(name), gradient of input \(index)", sourceLocation)
    }
  }

  private func differences(
    of oracle: ([Tensor<Double>]) -> Tensor<Double>,
    at inputs: [Tensor<Double>],
    by index: Int,
    weighting: [Double]
  ) -> Tensor<Double> {
    func weighted(_ elements: [Double]) -> Double {
      var inputs = inputs
      inputs[index] = Tensor(elements, shape: inputs[index].shape)
      return zip(oracle(inputs).elements, weighting).reduce(0) { $0 + $1.0 * $1.1 }
    }
    var elements = inputs[index].elements
    let gradient = elements.indices.map { place -> Double in
      let original = elements[place]
      let step = step * max(1, abs(original))
      elements[place] = original + step
      let above = weighted(elements)
      elements[place] = original - step
      let below = weighted(elements)
      elements[place] = original
      return (above - below) / (2 * step)
    }
    return Tensor(gradient, shape: inputs[index].shape)
  }

  private func compare(
    _ found: Tensor<Float>,
    _ expected: Tensor<Double>,
    _ comment: String,
    _ sourceLocation: SourceLocation
  ) {
    let scale = max(expected.elements.map(abs).filter(\.isFinite).max() ?? 0, 1e-3)
    expectClose(
      found.elements.map(Double.init),
      expected.elements,
      absolute: tolerance * scale,
      comment,
      sourceLocation: sourceLocation
    )
  }
}
