public import Tensor

/// softmax(scale · Q Kᵀ) V without a T×S buffer, forward and backward.
///
/// The forward pass keeps the inputs, the output and log Σ exp of each row; the backward pass
/// computes the probabilities again, block by block. Query heads share key heads in groups: head h
/// takes key head h / (H / KV).
///
/// - Shapes: queries [B × H × T × d], keys and values [B × KV × S × d], result [B × H × T × d]; with
///   `positionsFirst` [B × T × H × d] and so on.
/// - Source: Dao 2023, "FlashAttention-2".
public func attention(
  queries: Variable,
  keys: Variable,
  values: Variable,
  layout: HeadLayout = .headsFirst,
  options: AttentionOptions = AttentionOptions()
) -> Variable {
  let input = AttentionInput(
    queries: queries.value,
    keys: keys.value,
    values: values.value,
    layout: layout
  )
  let output = Tensor<Float>.attention(input, options)
  return Variable.recorded(output.value, queries, keys, values) { gradient, inputs in
    let gradients = Tensor<Float>.attentionGradients(gradient, input, output, options)
    for (index, gradient) in gradients.enumerated() { inputs.pass(to: index, gradient) }
  }
}

/// Attention whose queries, keys and values come from one projection, in place.
///
/// - Shapes: `fused` [B × T × ((H + 2 KV) · d)]: in each row the heads of queries, then keys, then
///   values; result [B × T × (H · d)].
public func attention(
  fused: Variable,
  headCount: Int,
  keyHeadCount: Int? = nil,
  options: AttentionOptions = AttentionOptions()
) -> Variable {
  let input = AttentionInput(
    fused: fused.value,
    headCount: headCount,
    keyHeadCount: keyHeadCount ?? headCount
  )
  let output = Tensor<Float>.attention(input, options)
  return Variable.recorded(output.value, fused) { gradient, inputs in
    inputs.pass(
      to: 0,
      Tensor<Float>.attentionGradients(gradient, input, output, options)[0]
    )
  }
}

extension Variable {
  /// Turns pairs of elements of each head by the angles of its position.
  ///
  /// - Shapes: self [B × T × H × d] or [B × H × T × d]; cosines and sines [T × r/2] or
  ///   [B × T × r/2], r ≤ d.
  /// - Source: Su et al. 2021, "RoFormer", section 3.4.
  public func rotated(
    cosines: Tensor<Float>,
    sines: Tensor<Float>,
    options: RotaryOptions = RotaryOptions()
  ) -> Variable {
    let result = value.rotated(cosines: cosines, sines: sines, options: options)
    return Self.recorded(result, self) { gradient, inputs in
      inputs.pass(
        to: 0,
        gradient.rotatedBack(cosines: cosines, sines: sines, options: options)
      )
    }
  }
}
