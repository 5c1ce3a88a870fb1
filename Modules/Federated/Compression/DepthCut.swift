import Tensor

/// The first blocks of a network and the exit after them: fewer layers, all channels.
///
/// The exit is the extra head that the model has for this depth (`ParameterRole.exit`); without one
/// the shared head follows the last block that remains.
public struct DepthCut: LocalCompression {
  /// The wiring of the network.
  public let model: ModelDescription

  /// Cuts of a network.
  public init(_ model: ModelDescription) { self.model = model }

  /// The parameters of the blocks that remain.
  ///
  /// - Throws: `FederatedError` if the parameters or the plan do not fit.
  public func compress(
    _ global: ParameterSet,
    plan: DevicePlan,
    seed: UInt64
  ) throws -> LocalModel {
    try plan.check(allowing: [.depth])
    try model.check(global)
    var local = LocalModel(whole: global, plan: plan)
    try apply(to: &local)
    return local
  }

  /// Removes what the device does not have, exits of other depths included.
  func apply(to local: inout LocalModel) throws(FederatedError) {
    if let depth = local.plan.depth, model.blockCount > 0, depth > model.blockCount {
      throw .invalidPlan("a depth of \(depth), the model has \(model.blockCount) blocks")
    }
    for parameter in model.parameters where !local.plan.keeps(parameter.role, of: model) {
      local.parameters[parameter.name] = nil
      local.slices[parameter.name] = nil
      local.coverage[parameter.name] = nil
    }
  }
}
