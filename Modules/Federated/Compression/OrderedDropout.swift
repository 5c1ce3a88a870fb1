public import Tensor

// FjORD, Horváth et al. 2021, section 3.

/// The prefixes that the mini-batches of a device train.
///
/// Each mini-batch draws one of the admissible rates evenly; what lies outside its prefix takes no
/// gradient. `WidthSlicing.prefix(_:of:)` says where the prefix lies in the device's model.
public struct OrderedDropout: Codable, Hashable, Sendable {
  /// The admissible rates, ascending.
  public let rates: [Rate]

  /// The levels up to a device's rate, which is always one of them.
  public init(levels: [Rate] = Rate.levels, upTo rate: Rate) {
    rates = (Set(levels.filter { $0 < rate }).union([rate])).sorted()
  }

  /// The rate of the next mini-batch.
  public func draw(using generator: inout Philox) -> Rate {
    rates[generator.integer(below: rates.count)]
  }
}
