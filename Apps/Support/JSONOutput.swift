#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// One JSON document for machines: keys sorted, indented, a number that is none by its name.
public func jsonText(_ value: some Encodable) throws -> String {
  let encoder = JSONEncoder()
  encoder.nonConformingFloatEncodingStrategy = .convertToString(
    positiveInfinity: "Infinity",
    negativeInfinity: "-Infinity",
    nan: "NaN"
  )
  encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
  return String(decoding: try encoder.encode(value), as: UTF8.self)
}

/// A number of a report; what is not finite becomes null, for JSON has no NaN.
public struct ReportNumber: Encodable, Hashable, Sendable {
  /// The number.
  public let value: Double

  /// A number as it is.
  public init(_ value: some BinaryFloatingPoint) { self.value = Double(value) }

  /// Writes the number or null.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    if value.isFinite { try container.encode(value) } else { try container.encodeNil() }
  }
}
