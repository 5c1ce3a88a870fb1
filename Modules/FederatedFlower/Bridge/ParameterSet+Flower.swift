public import Federated
import Tensor

extension ParameterSet {
  /// The parameters that a message brings.
  ///
  /// - Throws: `FlowerError.unsupportedArray` for a name that comes twice under Unicode's rules, or
  ///   more dimensions than tensors have.
  public init(_ arrays: NamedValues<FlowerArray>) throws(FlowerError) {
    self.init()
    for (name, array) in arrays {
      guard self[name] == nil else {
        throw .unsupportedArray(reason: "the name \(name.prefix(80)) comes twice")
      }
      self[name] = try array.floats()
    }
  }

  /// The parameters as a message carries them.
  public var flowerArrays: NamedValues<FlowerArray> {
    NamedValues(entries.map { ($0.name, FlowerArray($0.tensor)) })
  }
}

extension DeviceProfile {
  /// The profile as the answer to a strategy's `query`.
  public var flowerMetrics: NamedValues<FlowerValue> {
    [
      "memory-bytes": .integer(Int64(memoryBytes)),
      "flops-per-second": .double(flopsPerSecond),
      "uplink-bytes-per-second": .double(uplinkBytesPerSecond),
      "downlink-bytes-per-second": .double(downlinkBytesPerSecond),
    ]
  }
}

extension X25519Agreement: KeyAgreement {}
