/// Why the server does not count an update.
public enum UpdateRejection: Error, Equatable, Sendable {
  /// Names, shapes or numbers are not those of the plan.
  case invalid(FederatedError)
  /// The norm is far above what other devices send.
  case normTooLarge(found: Double, limit: Double)
  /// The number of examples is not in 1 … the registered bound.
  case exampleCount(found: Int, limit: Int)
  /// No step was made, or fewer than none.
  case stepCount(Int)
}

extension UpdateRejection: CustomStringConvertible {
  /// The reason with its numbers.
  public var description: String {
    switch self {
    case .invalid(let error): "update rejected: \(error)"
    case .normTooLarge(let found, let limit):
      "update rejected: a norm of \(found), at most \(limit) is accepted"
    case .exampleCount(let found, let limit):
      "update rejected: \(found) examples, 1 to \(limit) are registered"
    case .stepCount(let count): "update rejected: \(count) steps of training"
    }
  }
}

/// The checks before an update counts: names, shapes, finite numbers, examples, and a norm of at most
/// `normFactor` times the median of the norms that were accepted lately.
public struct UpdateChecks: Codable, Hashable, Sendable {
  /// How many times the median a norm may be.
  public var normFactor: Double
  /// The norms that were accepted.
  public private(set) var history: NormHistory

  /// Checks against ten times the median, by default.
  public init(normFactor: Double = 10, history: NormHistory = NormHistory()) {
    self.normFactor = normFactor
    self.history = history
  }

  /// An update in global coordinates, if it may count.
  ///
  /// - Parameters:
  ///   - update: what the device sent.
  ///   - local: the model that it began with.
  ///   - exampleLimit: the number of examples that it registered.
  /// - Returns: D and its coverage.
  /// - Throws: `UpdateRejection`.
  public mutating func admit(
    _ update: ParameterUpdate,
    of local: LocalModel,
    exampleLimit: Int
  ) throws(UpdateRejection) -> LiftedUpdate {
    guard update.exampleCount > 0, update.exampleCount <= exampleLimit else {
      throw .exampleCount(found: update.exampleCount, limit: exampleLimit)
    }
    guard update.stepCount > 0 else { throw .stepCount(update.stepCount) }
    let lifted: LiftedUpdate
    do throws(FederatedError) {
      lifted = try local.lifted(update)
    } catch {
      throw .invalid(error)
    }
    let norm = lifted.delta.norm
    guard norm.isFinite else { throw .normTooLarge(found: norm, limit: .greatestFiniteMagnitude) }
    if let limit = history.limit(factor: normFactor), norm > limit {
      throw .normTooLarge(found: norm, limit: limit)
    }
    history.note(norm)
    return lifted
  }
}
