public import Tensor

/// The sampled answers of a batch, and what they are worth.
///
/// - Shapes: B rows of T tokens; row k belongs to group k / G.
public struct GRPOBatch: Sendable {
  /// The sampled tokens [B × T]; what stands where the mask is 0 does not matter.
  public var tokens: Tensor<Int32>
  /// Whether a token counts [B × T]: up to and including the first end token.
  public var mask: Tensor<Bool>
  /// The advantage of each row.
  public var advantages: [Double]
  /// ℓ_old [B × T], when the tokens were drawn; nil where the policy has not changed since.
  public var oldLogProbabilities: Tensor<Float>?
  /// ℓ_ref [B × T] of the frozen reference; needed where β is not 0.
  public var referenceLogProbabilities: Tensor<Float>?
  /// The tokens that count in all micro-batches of a step, for `dapo`; nil for this batch alone.
  public var activeTokenCount: Int?
  /// The micro-batches whose gradients are summed before a step; the others divide by it.
  public var microBatchCount = 1

  /// A batch.
  public init(
    tokens: Tensor<Int32>,
    mask: Tensor<Bool>,
    advantages: [Double],
    oldLogProbabilities: Tensor<Float>? = nil,
    referenceLogProbabilities: Tensor<Float>? = nil
  ) {
    self.tokens = tokens
    self.mask = mask
    self.advantages = advantages
    self.oldLogProbabilities = oldLogProbabilities
    self.referenceLogProbabilities = referenceLogProbabilities
  }

  /// A batch whose advantages come from groups; where the settings leave out groups with equal
  /// rewards, the mask becomes 0 there.
  public init(
    tokens: Tensor<Int32>,
    mask: Tensor<Bool>,
    groups: GroupAdvantages,
    settings: GRPOSettings,
    oldLogProbabilities: Tensor<Float>? = nil,
    referenceLogProbabilities: Tensor<Float>? = nil
  ) {
    self.init(
      tokens: tokens,
      mask: mask,
      advantages: groups.advantages,
      oldLogProbabilities: oldLogProbabilities,
      referenceLogProbabilities: referenceLogProbabilities
    )
    guard settings.maskZeroVarianceGroups else { return }
    let width = mask.shape[-1]
    self.mask.withUnsafeMutableElements { mask in
      for row in groups.advantages.indices where groups.isDead(row: row) {
        for place in row * width..<(row + 1) * width { mask[place] = false }
      }
    }
  }

  /// The tokens that count: all up to and including the first end token of each row.
  ///
  /// - Parameters:
  ///   - tokens: [B × T].
  ///   - endToken: the token that ends an answer.
  /// - Returns: the mask [B × T], and the rows that have no end token.
  public static func mask(
    of tokens: Tensor<Int32>,
    endToken: Int32
  ) -> (mask: Tensor<Bool>, truncated: [Bool]) {
    expect(tokens.rank == 2, "completion mask: tokens [B×T] are needed, found \(tokens.shape)")
    let (rows, width) = (tokens.shape[0], tokens.shape[1])
    var truncated = [Bool](repeating: true, count: rows)
    var mask = Tensor(repeating: false, shape: tokens.shape)
    mask.withUnsafeMutableElements { mask in
      tokens.withUnsafeElements { tokens in
        for row in 0..<rows {
          for place in row * width..<(row + 1) * width where truncated[row] {
            mask[place] = true
            truncated[row] = tokens[place] != endToken
          }
        }
      }
    }
    return (mask, truncated)
  }
}
