/// One record of a message.
public enum FlowerRecord: Sendable, Equatable {
  /// Arrays of numbers, in order.
  case arrays(NamedValues<FlowerArray>)
  /// Numbers that a strategy averages.
  case metrics(NamedValues<FlowerValue>)
  /// Settings.
  case settings(NamedValues<FlowerValue>)
}

/// The records of a message by name.
public typealias FlowerContent = NamedValues<FlowerRecord>

extension NamedValues where Value == FlowerRecord {
  /// What standard strategies expect from training: arrays, and metrics with their weight.
  ///
  /// Every node of a federation must use the same names of arrays and metrics.
  ///
  /// - Parameters:
  ///   - arrays: The parameters after training.
  ///   - metrics: What was measured.
  ///   - exampleCount: The number of examples, by which the strategy weights this reply.
  /// - Returns: The content of a reply to `train`.
  public static func trained(
    arrays: NamedValues<FlowerArray>,
    metrics: NamedValues<FlowerValue> = [:],
    exampleCount: Int
  ) -> FlowerContent {
    ["arrays": .arrays(arrays), "metrics": .metrics(metrics.weighted(by: exampleCount))]
  }

  /// What standard strategies expect from evaluation: metrics with their weight.
  ///
  /// - Parameters:
  ///   - metrics: What was measured.
  ///   - exampleCount: The number of examples, by which the strategy weights this reply.
  /// - Returns: The content of a reply to `evaluate`.
  public static func evaluated(
    metrics: NamedValues<FlowerValue>,
    exampleCount: Int
  ) -> FlowerContent {
    ["metrics": .metrics(metrics.weighted(by: exampleCount))]
  }

  /// The arrays of the first record that holds arrays; standard strategies send one.
  public var arrays: NamedValues<FlowerArray>? {
    for case .arrays(let arrays) in values { return arrays }
    return nil
  }

  /// The settings of all records that hold settings; of equal names the last wins.
  public var settings: NamedValues<FlowerValue> {
    var all = NamedValues<FlowerValue>()
    for case .settings(let settings) in values {
      for (name, value) in settings { all[name] = value }
    }
    return all
  }
}

extension NamedValues where Value == FlowerValue {
  fileprivate func weighted(by exampleCount: Int) -> Self {
    var all = self
    all["num-examples"] = .integer(Int64(exampleCount))
    return all
  }
}
