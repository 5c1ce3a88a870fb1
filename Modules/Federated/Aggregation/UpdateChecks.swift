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
  /// How many norms the median is taken of.
  public var window: Int
  /// How many norms there must be before the norm is checked.
  public var minimumHistory: Int
  /// The norms that were accepted, the oldest first.
  public private(set) var norms: [Double] = []

  /// Checks; Choice: the median of the last 64 norms, once there are 5.
  public init(normFactor: Double = 10, window: Int = 64, minimumHistory: Int = 5) {
    self.normFactor = normFactor
    self.window = window
    self.minimumHistory = minimumHistory
  }

  /// The median of the accepted norms; nil before there are enough.
  public var medianNorm: Double? {
    guard norms.count >= max(minimumHistory, 1) else { return nil }
    let sorted = norms.sorted()
    return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
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
    if let median = medianNorm, median > 0, norm > normFactor * median {
      throw .normTooLarge(found: norm, limit: normFactor * median)
    }
    norms.append(norm)
    if norms.count > window { norms.removeFirst(norms.count - window) }
    return lifted
  }
}
