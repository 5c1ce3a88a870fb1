/// What the inputs of quantized layers are rounded to.
public struct ActivationScheme: Codable, Hashable, Sendable {
  /// Who shares a step size.
  public enum Sharing: String, Codable, Hashable, Sendable, CaseIterable {
    /// Each token has its own, found when it comes.
    case token
    /// All inputs of a layer share one, found on the calibration set.
    case tensor
  }

  /// Bits of a code.
  public var bits: Int
  /// Who shares a step size.
  public var sharing: Sharing

  /// A scheme.
  ///
  /// - Throws: `QuantizationError.invalidScheme` unless 1 ≤ bits ≤ 8.
  public init(bits: Int = 8, sharing: Sharing = .token) throws(QuantizationError) {
    guard QuantizationGrid.supportedBits.contains(bits) else {
      throw .invalidScheme("activations of \(bits) bits are not supported; choose 1 to 8")
    }
    self.bits = bits
    self.sharing = sharing
  }
}
