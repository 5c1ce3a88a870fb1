#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

extension Double {
  /// How C's `printf` writes a number.
  package enum Notation: String, Sendable {
    /// Decimals: 27.613.
    case fixed = "f"
    /// Decimals, and the sign of what is not negative: +0.214.
    case signed = "+f"
    /// One digit, decimals and a power of ten: 1.5e-07.
    case scientific = "e"
    /// Significant digits, with a power of ten where the number is very small or large.
    case significant = "g"

    fileprivate var format: String { self == .signed ? "%+.*f" : "%.*\(rawValue)" }
  }

  /// The number in decimal digits, correctly rounded.
  ///
  /// - Parameters:
  ///   - notation: how it is written.
  ///   - digits: the decimals, or the significant digits.
  /// - Returns: the text; "nan" and "inf" for what is no number.
  package func text(_ notation: Notation, digits: Int) -> String {
    let digits = Int32(clamping: max(digits, 0))
    // The largest number has 309 digits before its point.
    let capacity = 330 + Int(digits)
    return withUnsafeTemporaryAllocation(of: CChar.self, capacity: capacity) { buffer in
      guard let text = buffer.baseAddress else { return "" }
      _ = withVaList([digits, self]) { vsnprintf(text, capacity, notation.format, $0) }
      return String(cString: text)
    }
  }
}
