import Checkpoints
import Foundation
import Testing

@Suite struct NumberTextTests {
  private static let values: [Double] = [
    0, -0.0, 1, -1, 0.5, 2.5, 1e-7, 123_456.789, -9.995, 999.95, 1e21, .leastNonzeroMagnitude,
    .greatestFiniteMagnitude, -.greatestFiniteMagnitude, .pi, .infinity, .nan,
  ]

  @Test(arguments: [
    (Double.Notation.fixed, "f"), (.scientific, "e"), (.significant, "g"), (.signed, "+f"),
  ])
  func numbersAreWrittenAsFoundationWritesThem(
    _ notation: Double.Notation,
    _ conversion: String
  ) {
    let (flag, letter) = (conversion.hasPrefix("+") ? "+" : "", conversion.suffix(1))
    for value in Self.values {
      for digits in [0, 1, 3, 6, 15, 40] {
        let expected = String(format: "%\(flag).\(digits)\(letter)", value)
        #expect(value.text(notation, digits: digits) == expected)
      }
    }
  }
}
