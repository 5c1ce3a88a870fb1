public import ArgumentParser
public import Federated

extension DeviceClass: ExpressibleByArgument {}

extension Rate: ExpressibleByArgument {
  /// Reads `1`, `1/4` or `0.25`.
  public init?(argument: String) {
    let parts = argument.split(separator: "/", omittingEmptySubsequences: false)
    if parts.count == 2, let numerator = Int(parts[0]), let denominator = Int(parts[1]) {
      self.init(validating: numerator, of: denominator)
    } else if let value = Double(argument), value > 0, value <= 1 {
      self.init(validating: Int((value * 1_000_000).rounded()), of: 1_000_000)
    } else {
      return nil
    }
  }
}
