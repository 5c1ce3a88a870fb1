import CKernels

/// The activation of a gated linear unit.
///
/// Source: Shazeer 2020, "GLU Variants Improve Transformer".
public enum GateFunction: String, Sendable, Codable, CaseIterable {
  /// GLU.
  case sigmoid
  /// ReGLU.
  case relu
  /// GEGLU, with GELU by the error function.
  case gelu
  /// GEGLU, with GELU by tanh: Gemma's.
  case geluTanh
  /// SwiGLU: LLaMA's, Mistral's, Qwen's.
  case silu

  var function: ElementFunction {
    switch self {
    case .sigmoid: .sigmoid
    case .relu: .relu
    case .gelu: .gelu
    case .geluTanh: .geluTanh
    case .silu: .silu
    }
  }
}

extension Tensor where Element == Float {
  /// function(self) ⊙ up, in one pass.
  ///
  /// - Shapes: self, `up` and the result have one shape.
  public func gated(_ function: GateFunction, by up: Tensor) -> Tensor {
    expect(shape == up.shape, "gate: shapes differ, \(shape) · \(up.shape)")
    return Tensor(uninitialized: shape) { target in
      guard let to = target.baseAddress else { return }
      forEachRange(count: count, grain: vectorGrain) { range in
        let first = range.lowerBound
        ck_gate(
          function.function.rawValue,
          range.count,
          start + first,
          up.start + first,
          to + first
        )
      }
      withExtendedLifetime((storage, up.storage)) {}
    }
  }

  /// The gated unit of the two halves of the last axis: function(first half) ⊙ second half.
  ///
  /// - Shapes: self [… × 2N], result [… × N].
  public func gatedHalves(_ function: GateFunction) -> Tensor {
    let width = halfWidth("gate")
    return Tensor(uninitialized: shape.replacingLast(with: width)) { target in
      guard let to = target.baseAddress, width > 0 else { return }
      forEachRange(count: target.count / width, grain: rowGrain(width: width)) { rows in
        for row in rows {
          let gate = start + row * 2 * width
          ck_gate(function.function.rawValue, width, gate, gate + width, to + row * width)
        }
      }
      withExtendedLifetime(storage) {}
    }
  }

  /// The gradients of `gated(_:by:)`.
  package func gateGradients(
    _ function: GateFunction,
    up: Tensor,
    gradient: Tensor
  ) -> (gate: Tensor, up: Tensor) {
    var other = Tensor(uninitialized: shape) { _ in }
    let gates = Tensor(uninitialized: shape) { target in
      other.withUnsafeMutableElements { others in
        guard let to = target.baseAddress, let second = others.baseAddress else { return }
        forEachRange(count: count, grain: vectorGrain) { range in
          let first = range.lowerBound
          ck_gate_slopes(
            function.function.rawValue,
            range.count,
            start + first,
            up.start + first,
            gradient.start + first,
            to + first,
            second + first
          )
        }
        withExtendedLifetime((storage, up.storage, gradient.storage)) {}
      }
    }
    return (gates, other)
  }

  /// The gradient of `gatedHalves(_:)`, of the shape of self.
  package func gateGradient(ofHalves function: GateFunction, _ gradient: Tensor) -> Tensor {
    let width = halfWidth("gate")
    return Tensor(uninitialized: shape) { target in
      guard let to = target.baseAddress, width > 0 else { return }
      forEachRange(count: count / (2 * width), grain: rowGrain(width: 2 * width)) { rows in
        for row in rows {
          let (gate, out) = (start + row * 2 * width, to + row * 2 * width)
          let incoming = gradient.start + row * width
          ck_gate_slopes(
            function.function.rawValue,
            width,
            gate,
            gate + width,
            incoming,
            out,
            out + width
          )
        }
      }
      withExtendedLifetime((storage, gradient.storage)) {}
    }
  }

  private func halfWidth(_ operation: String) -> Int {
    let width = lastExtent(operation)
    expect(width % 2 == 0, "\(operation): the last axis of \(shape) has no halves")
    return width / 2
  }
}
