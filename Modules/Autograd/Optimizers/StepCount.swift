package import Tensor

/// How often a parameter was changed, in a state of floats without rounding.
///
/// Two floats hold whole numbers below 2⁴⁸: the lower 24 bits, then those above.
package struct StepCount: Equatable {
  static let shape: Shape = [2]
  private static let base = 1 << 24

  package var value = 0

  package init() {}

  /// The count that a tensor holds; nil when it holds none.
  package init?(_ tensor: Tensor<Float>) {
    let parts = tensor.elements.compactMap { Int(exactly: $0) }
    guard tensor.shape == Self.shape, parts.count == 2,
      parts.allSatisfy({ (0..<Self.base).contains($0) })
    else { return nil }
    value = parts[1] * Self.base + parts[0]
  }

  /// The count as two floats.
  package var tensor: Tensor<Float> {
    expect(value < Self.base * Self.base, "optimizer state: \(value) steps are too many")
    return Tensor([Float(value % Self.base), Float(value / Self.base)])
  }
}
