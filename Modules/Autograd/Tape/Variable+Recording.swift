public import Tensor

extension Variable {
  /// The result of an operation on one input.
  @inline(__always)
  static func recorded(
    _ value: Tensor<Float>,
    _ a: Variable,
    _ pullback: @escaping Pullback
  ) -> Variable {
    guard a.node != nil, Recording.isOn else { return Variable(value) }
    return Variable(value, node: TapeNode(value.shape, a.node, nil, nil, pullback: pullback))
  }

  /// The result of an operation on two inputs.
  @inline(__always)
  static func recorded(
    _ value: Tensor<Float>,
    _ a: Variable,
    _ b: Variable,
    _ pullback: @escaping Pullback
  ) -> Variable {
    guard a.node != nil || b.node != nil, Recording.isOn else { return Variable(value) }
    return Variable(value, node: TapeNode(value.shape, a.node, b.node, nil, pullback: pullback))
  }

  /// The result of an operation on three inputs.
  @inline(__always)
  static func recorded(
    _ value: Tensor<Float>,
    _ a: Variable,
    _ b: Variable,
    _ c: Variable,
    _ pullback: @escaping Pullback
  ) -> Variable {
    guard a.node != nil || b.node != nil || c.node != nil, Recording.isOn else {
      return Variable(value)
    }
    return Variable(value, node: TapeNode(value.shape, a.node, b.node, c.node, pullback: pullback))
  }

  /// The result of an operation on any number of inputs.
  static func recorded(
    _ value: Tensor<Float>,
    inputs: [Variable],
    _ pullback: @escaping Pullback
  ) -> Variable {
    guard inputs.contains(where: { $0.node != nil }), Recording.isOn else {
      return Variable(value)
    }
    return recordedAlways(value, inputs: inputs, pullback)
  }

  /// The result of an operation that belongs on the tape even if no input is followed.
  static func recordedAlways(
    _ value: Tensor<Float>,
    inputs: [Variable],
    _ pullback: @escaping Pullback
  ) -> Variable {
    func input(_ index: Int) -> TapeNode? { index < inputs.count ? inputs[index].node : nil }
    let node = TapeNode(value.shape, input(0), input(1), input(2), pullback: pullback)
    node.others = inputs.dropFirst(3).map(\.node)
    return Variable(value, node: node)
  }

  /// A custom operation of one input: its value, and the gradient of the input from the gradient of
  /// the value.
  ///
  ///     func roundStraightThrough(_ x: Variable) -> Variable {
  ///       .custom(x.value.rounded(), input: x) { gradient in gradient }
  ///     }
  ///
  /// - Shapes: `backward` gets a gradient of the value's shape and returns one of the input's.
  public static func custom(
    _ value: Tensor<Float>,
    input: Variable,
    backward: @escaping (_ gradient: Tensor<Float>) -> Tensor<Float>
  ) -> Variable {
    recorded(value, input) { gradient, inputs in inputs.pass(to: 0, backward(gradient)) }
  }

  /// A custom operation of several inputs: its value, and the gradients of the inputs, nil where
  /// there is none, from the gradient of the value.
  ///
  /// - Shapes: `backward` gets a gradient of the value's shape and returns one gradient or nil for
  ///   each input, of that input's shape.
  public static func custom(
    _ value: Tensor<Float>,
    inputs: [Variable],
    backward: @escaping (_ gradient: Tensor<Float>) -> [Tensor<Float>?]
  ) -> Variable {
    let count = inputs.count
    return recorded(value, inputs: inputs) { gradient, inputs in
      let gradients = backward(gradient)
      expect(
        gradients.count == count,
        "custom operation: \(count) inputs, but \(gradients.count) gradients"
      )
      for (index, gradient) in gradients.enumerated() {
        if let gradient { inputs.pass(to: index, gradient) }
      }
    }
  }
}
