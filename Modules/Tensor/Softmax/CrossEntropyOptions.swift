/// What cross-entropy does besides −log p of the target.
public struct CrossEntropyOptions: Hashable, Sendable {
  /// The target of rows that do not count: their loss and their gradient are 0.
  public var ignoredTarget: Int32
  /// ε, the share of the target's probability that is divided among all classes.
  ///
  /// Source: Szegedy et al. 2016, "Rethinking the Inception Architecture", section 7.
  public var labelSmoothing: Float
  /// z: adds z · (log Σ exp(x))² to each row's loss, which keeps logits from drifting.
  ///
  /// Source: Chowdhery et al. 2022, "PaLM", section 5: 1e-4.
  public var zLossWeight: Float

  /// Plain cross-entropy; targets of −100 are ignored, as in torch.
  public init(ignoredTarget: Int32 = -100, labelSmoothing: Float = 0, zLossWeight: Float = 0) {
    expect(
      labelSmoothing >= 0 && labelSmoothing <= 1,
      "cross-entropy: label smoothing must lie in 0 ... 1, found \(labelSmoothing)"
    )
    self.ignoredTarget = ignoredTarget
    self.labelSmoothing = labelSmoothing
    self.zLossWeight = zLossWeight
  }
}
