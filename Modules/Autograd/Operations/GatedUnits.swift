public import Tensor

extension Variable {
  /// function(self) ⊙ up: SwiGLU, GEGLU and their kin, one pass forward and one backward.
  ///
  /// - Shapes: self, `up` and the result have one shape.
  /// - Source: Shazeer 2020, "GLU Variants Improve Transformer".
  public func gated(_ function: GateFunction, by up: Variable) -> Variable {
    let (gate, other) = (value, up.value)
    return Self.recorded(gate.gated(function, by: other), self, up) { gradient, inputs in
      let gradients = gate.gateGradients(function, up: other, gradient: gradient)
      inputs.pass(to: 0, gradients.gate)
      inputs.pass(to: 1, gradients.up)
    }
  }

  /// The gated unit of the two halves of the last axis: function(first half) ⊙ second half.
  ///
  /// - Shapes: self [… × 2N], result [… × N].
  public func gatedHalves(_ function: GateFunction) -> Variable {
    let both = value
    return Self.recorded(both.gatedHalves(function), self) { gradient, inputs in
      inputs.pass(to: 0, both.gateGradient(ofHalves: function, gradient))
    }
  }
}
