import Tensor

/// Carries out every plan: depth, then width, then masks, low-bit weights or factors on the slice.
///
/// Lifts run in the opposite order; the coverage is what every step leaves.
public struct ComposedCompression: LocalCompression {
  /// The wiring of the network.
  public let model: ModelDescription
  /// The tensors that masks apply to; nil for the hidden matrices.
  public var prunable: [String]?
  /// The weights whose magnitudes masks go by; nil for those of the round.
  public var maskReference: ParameterSet?

  /// A compression of a network.
  public init(
    _ model: ModelDescription,
    prunable: [String]? = nil,
    maskReference: ParameterSet? = nil
  ) {
    self.model = model
    self.prunable = prunable
    self.maskReference = maskReference
  }

  /// The model that a device trains under a plan.
  ///
  /// - Throws: `FederatedError` if the parameters or the plan do not fit, `LinearAlgebraError` if a
  ///   matrix cannot be factored.
  public func compress(
    _ global: ParameterSet,
    plan: DevicePlan,
    seed: UInt64
  ) throws -> LocalModel {
    try plan.check()
    try model.check(global)
    var local = LocalModel(whole: global, plan: plan)
    try DepthCut(model).apply(to: &local)
    WidthSlicing(model).apply(to: &local, seed: seed)
    try MagnitudeMask(model, prunable: prunable, reference: maskReference)
      .apply(to: &local, seed: seed)
    try LowBitTraining(model).apply(to: &local, seed: seed)
    try LowRank(model).apply(to: &local)
    return local
  }
}
