/// A way to make a device's model from the global one, and to bring its update back.
///
/// Everything is a function of the global parameters, the plan and the seed, so the server need not
/// keep local models: it can make one again when its update arrives.
public protocol LocalCompression: Sendable {
  /// The model that a device trains under a plan.
  ///
  /// - Throws: `FederatedError` if the parameters or the plan do not fit, or what a factorization
  ///   throws.
  func compress(
    _ global: ParameterSet,
    plan: DevicePlan,
    seed: UInt64
  ) throws -> LocalModel

  /// An update in global coordinates.
  ///
  /// - Parameters:
  ///   - update: what the device sent: names and shapes of the local model.
  ///   - local: the model that the device began with.
  /// - Returns: D and its coverage.
  /// - Throws: `FederatedError` if the update does not fit the model.
  func lift(_ update: ParameterUpdate, of local: LocalModel) throws -> LiftedUpdate

  /// What a plan costs on a device.
  func cost(_ model: ModelDescription, plan: DevicePlan) -> DeviceCost
}

extension LocalCompression {
  /// An update in global coordinates: forms become full tensors, what is masked becomes 0.
  ///
  /// - Throws: `FederatedError` if the update does not fit the model.
  public func lift(_ update: ParameterUpdate, of local: LocalModel) throws -> LiftedUpdate {
    try local.lifted(update)
  }

  /// An update in global coordinates, from what its model was made from.
  ///
  /// - Parameters:
  ///   - update: what the device sent.
  ///   - global: the parameters of the round that it trained in.
  ///   - plan: its plan.
  ///   - seed: the seed of its model.
  /// - Returns: D and its coverage.
  /// - Throws: what `compress` and `lift` throw.
  public func lift(
    _ update: ParameterUpdate,
    from global: ParameterSet,
    plan: DevicePlan,
    seed: UInt64
  ) throws -> LiftedUpdate {
    try lift(update, of: compress(global, plan: plan, seed: seed))
  }

  /// What a plan costs on a device, as the model's wiring has it.
  public func cost(_ model: ModelDescription, plan: DevicePlan) -> DeviceCost {
    DeviceCost(model, plan: plan)
  }
}
