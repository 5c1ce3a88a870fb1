import CKernels

/// How rows are normalized.
package struct RowNormalization: Sendable {
  /// Whether the mean is subtracted: layer norm does, RMS norm does not.
  package var centres: Bool
  /// What is added to the mean square before the root.
  package var epsilon: Float
  /// What is added to the weight: 1 in Gemma's form.
  package var weightOffset: Float = 0

  package init(centres: Bool, epsilon: Float, weightOffset: Float = 0) {
    self.centres = centres
    self.epsilon = epsilon
    self.weightOffset = weightOffset
  }

  var name: String { centres ? "layer norm" : "rms norm" }
}

/// Normalized rows and what their gradient needs.
package struct NormalizedRows: Sendable {
  /// The result, of the input's shape.
  package let output: Tensor<Float>
  /// What was normalized: the input, or its sum with the residual.
  package let input: Tensor<Float>
  /// The mean of each row; nil for RMS norm.
  let means: Tensor<Float>?
  /// 1 / √(mean square + epsilon) of each row.
  package let inverses: Tensor<Float>
}

extension Tensor where Element == Float {
  /// weight ⊙ (x − mean) / √(variance + epsilon) + bias along the last axis.
  ///
  /// - Shapes: self [… × N], weight and bias [N], result [… × N].
  /// - Source: Ba, Kiros and Hinton 2016, "Layer Normalization".
  public func layerNormalized(
    weight: Tensor? = nil,
    bias: Tensor? = nil,
    epsilon: Float = 1e-5
  ) -> Tensor {
    let rule = RowNormalization(centres: true, epsilon: epsilon)
    return normalized(by: rule, weight: weight, bias: bias)
  }

  /// (weight + weightOffset) ⊙ x / √(mean(x²) + epsilon) along the last axis.
  ///
  /// - Parameters:
  ///   - weight: a factor for each column, 1 if nil.
  ///   - epsilon: keeps rows of zeros finite.
  ///   - weightOffset: 1 where the weight is stored as its difference from 1, as in Gemma.
  /// - Returns: rows of mean square 1, times the weight.
  /// - Shapes: self [… × N], weight [N], result [… × N].
  /// - Source: Zhang and Sennrich 2019, "Root Mean Square Layer Normalization".
  public func rmsNormalized(
    weight: Tensor? = nil,
    epsilon: Float = 1e-5,
    weightOffset: Float = 0
  ) -> Tensor {
    let rule = RowNormalization(centres: false, epsilon: epsilon, weightOffset: weightOffset)
    return normalized(by: rule, weight: weight, bias: nil)
  }

  private func normalized(by rule: RowNormalization, weight: Tensor?, bias: Tensor?) -> Tensor {
    checkNorm(rule.name, weight, bias)
    return Tensor(uninitialized: shape) { target in
      guard let to = target.baseAddress else { return }
      var norm = ck_norm(rule, weight, bias)
      norm.out = to
      runNorm(norm)
      withExtendedLifetime((weight, bias)) {}
    }
  }

  /// The normalized rows of x, or of x + residual, with what the gradient needs.
  ///
  /// - Shapes: self and residual [… × N], weight and bias [N].
  package func normalizedRows(
    by rule: RowNormalization,
    weight: Tensor?,
    bias: Tensor?,
    residual: Tensor? = nil
  ) -> NormalizedRows {
    checkNorm(rule.name, weight, bias)
    let rows: Shape = [Swift.max(count / Swift.max(shape[-1], 1), 0)]
    var norm = ck_norm(rule, weight, bias)
    let means = rule.centres ? Tensor(uninitialized: rows) { norm.means = $0.baseAddress } : nil
    let inverses = Tensor(uninitialized: rows) { norm.inverses = $0.baseAddress }
    var sum = self
    if let residual {
      expect(
        shape == residual.shape,
        "\(rule.name): the residual does not fit, \(shape) · \(residual.shape)"
      )
      norm.residual = UnsafePointer(residual.start)
      sum = Tensor(uninitialized: shape) { norm.sum = $0.baseAddress }
    }
    let output = Tensor(uninitialized: shape) { target in
      norm.out = target.baseAddress
      runNorm(norm)
    }
    withExtendedLifetime((weight, bias, residual)) {}
    return NormalizedRows(output: output, input: sum, means: means, inverses: inverses)
  }

  private func checkNorm(_ name: String, _ weight: Tensor?, _ bias: Tensor?) {
    expect(rank > 0, "\(name): a scalar has no last axis")
    if let weight {
      expect(
        weight.rank == 1 && weight.shape[0] == shape[-1],
        "\(name): the weight must match the last axis, \(shape) · \(weight.shape)"
      )
    }
    if let bias {
      expect(
        bias.rank == 1 && bias.shape[0] == shape[-1],
        "\(name): the bias must match the last axis, \(shape) · \(bias.shape)"
      )
    }
  }

  private func runNorm(_ norm: ck_norm) {
    let width = shape[-1]
    guard count > 0 else { return }
    forEachRange(count: count / width, grain: rowGrain(width: width)) { rows in
      var part = norm
      let (row, first) = (rows.lowerBound, rows.lowerBound * width)
      part.rows = rows.count
      part.n = width
      part.x = UnsafePointer(start + first)
      if let residual = part.residual { part.residual = residual + first }
      if let sum = part.sum { part.sum = sum + first }
      if let means = part.means { part.means = means + row }
      if let inverses = part.inverses { part.inverses = inverses + row }
      part.out += first
      ck_norm_rows(&part)
    }
    withExtendedLifetime(storage) {}
  }
}

extension ck_norm {
  fileprivate init(_ rule: RowNormalization, _ weight: Tensor<Float>?, _ bias: Tensor<Float>?) {
    self.init()
    self.weight = weight.map { UnsafePointer($0.start) }
    self.bias = bias.map { UnsafePointer($0.start) }
    weight_offset = rule.weightOffset
    epsilon = rule.epsilon
    centres = rule.centres
  }
}
