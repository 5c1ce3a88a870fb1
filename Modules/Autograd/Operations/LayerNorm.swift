import Tensor

extension Variable {
  /// weight ⊙ (x − mean) / √(variance + epsilon) + bias along the last axis.
  ///
  /// The backward pass reads x and the result's gradient once; of the forward pass it keeps x and
  /// two numbers a row.
  ///
  /// - Shapes: self [… × N], weight and bias [N], result [… × N].
  /// - Source: Ba, Kiros and Hinton 2016, "Layer Normalization".
  public func layerNormalized(
    weight: Variable? = nil,
    bias: Variable? = nil,
    epsilon: Float = 1e-5
  ) -> Variable {
    normalized(by: RowNormalization(centres: true, epsilon: epsilon), weight, bias)
  }

  /// `layerNormalized` of x + residual, and that sum, in one pass: what a block of a transformer
  /// does between its parts.
  ///
  /// - Shapes: self and residual [… × N], weight and bias [N], both results [… × N].
  public func addingAndLayerNormalizing(
    _ residual: Variable,
    weight: Variable? = nil,
    bias: Variable? = nil,
    epsilon: Float = 1e-5
  ) -> (sum: Variable, normalized: Variable) {
    let rule = RowNormalization(centres: true, epsilon: epsilon)
    return addingAndNormalizing(residual, by: rule, weight, bias)
  }

  // MARK: - Both norms

  func normalized(
    by rule: RowNormalization,
    _ weight: Variable?,
    _ bias: Variable?
  ) -> Variable {
    let rows = value.normalizedRows(by: rule, weight: weight?.value, bias: bias?.value)
    return normalized(rows, rule, weight, bias)
  }

  func addingAndNormalizing(
    _ residual: Variable,
    by rule: RowNormalization,
    _ weight: Variable?,
    _ bias: Variable?
  ) -> (sum: Variable, normalized: Variable) {
    let rows = value.normalizedRows(
      by: rule,
      weight: weight?.value,
      bias: bias?.value,
      residual: residual.value
    )
    let sum = Variable.recorded(rows.input, self, residual) { gradient, inputs in
      inputs.pass(to: 0, gradient)
      inputs.pass(to: 1, gradient)
    }
    return (sum, sum.normalized(rows, rule, weight, bias))
  }

  /// Records `rows` as the normalization of self.
  private func normalized(
    _ rows: NormalizedRows,
    _ rule: RowNormalization,
    _ weight: Variable?,
    _ bias: Variable?
  ) -> Variable {
    let factor = weight?.value
    let none = Variable(rows.inverses)
    return .recorded(rows.output, self, weight ?? none, bias ?? none) { gradient, inputs in
      let wanted = (input: inputs.wants(0), weight: inputs.wants(1), bias: inputs.wants(2))
      var sums = NormGradients()
      // Where a residual has brought its gradient already, this one is added in the same pass.
      if wanted.input {
        inputs.update(0) { accumulated in
          sums = rows.gradients(
            of: rule,
            weight: factor,
            wanted: wanted,
            gradient: &gradient,
            addingTo: &accumulated
          )
          if accumulated == nil { accumulated = gradient }
        }
      } else {
        var nothing: Tensor<Float>?
        sums = rows.gradients(
          of: rule,
          weight: factor,
          wanted: wanted,
          gradient: &gradient,
          addingTo: &nothing
        )
      }
      if let weight = sums.weight { inputs.pass(to: 1, weight) }
      if let bias = sums.bias { inputs.pass(to: 2, bias) }
    }
  }
}
