import Tensor

extension Variable {
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
    weight: Variable? = nil,
    epsilon: Float = 1e-5,
    weightOffset: Float = 0
  ) -> Variable {
    let rule = RowNormalization(centres: false, epsilon: epsilon, weightOffset: weightOffset)
    return normalized(by: rule, weight, nil)
  }

  /// `rmsNormalized` of x + residual, and that sum, in one pass: what a block of a transformer does
  /// between its parts.
  ///
  /// - Shapes: self and residual [… × N], weight [N], both results [… × N].
  public func addingAndRMSNormalizing(
    _ residual: Variable,
    weight: Variable? = nil,
    epsilon: Float = 1e-5,
    weightOffset: Float = 0
  ) -> (sum: Variable, normalized: Variable) {
    let rule = RowNormalization(centres: false, epsilon: epsilon, weightOffset: weightOffset)
    return addingAndNormalizing(residual, by: rule, weight, nil)
  }
}
