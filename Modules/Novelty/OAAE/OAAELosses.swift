/// The losses of one step, before their weights; nil for what is not part of the training.
package struct OAAELosses: Equatable {
  /// mean ‖x − x̂‖².
  var reconstruction: Double = 0
  /// The discriminator's own.
  var discriminator: Double?
  /// BCE(C(z), 1).
  var adversarial: Double?
  /// The image discriminator's own.
  var imageDiscriminator: Double?
  /// BCE(V(x̂), 1).
  var imageAdversarial: Double?
  /// The orthogonal embedding's.
  var embedding: Double?
  /// mean 1 − cos(z, ẑ).
  var consistency: Double?

  /// The losses by name.
  var named: [(name: String, value: Double)] {
    let all: [(String, Double?)] = [
      ("reconstruction", reconstruction), ("discriminator", discriminator),
      ("adversarial", adversarial), ("embedding", embedding), ("consistency", consistency),
      ("image discriminator", imageDiscriminator), ("image adversarial", imageAdversarial),
    ]
    return all.compactMap { name, value in value.map { (name, $0) } }
  }
}

/// The means of losses over steps.
struct LossMeans {
  private var sums: [String: Double] = [:]
  private var count = 0

  /// Adds a step; throws what is not finite.
  mutating func add(_ losses: [(name: String, value: Double)], epoch: Int) throws(NoveltyError) {
    for (name, value) in losses {
      guard value.isFinite else {
        throw .diverged(epoch: epoch, quantity: "\(name) loss", value: Float(value))
      }
      sums[name, default: 0] += value
    }
    count += 1
  }

  var means: [String: Double] { sums.mapValues { $0 / Double(max(count, 1)) } }
}
