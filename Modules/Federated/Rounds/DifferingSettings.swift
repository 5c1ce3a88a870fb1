import Checkpoints

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// The settings that two values do not share, as paths such as `training.learningRate`: for messages of
/// runs that cannot be gone on with.
///
/// - Parameters:
///   - first: a value that becomes a JSON object.
///   - second: another of the same type.
/// - Returns: the paths in alphabetical order, with both values; empty where they are equal.
package func differingSettings<Value: Encodable>(_ first: Value, _ second: Value) -> [String] {
  func json(_ value: Value) -> JSONValue {
    let encoder = JSONEncoder()
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "Infinity",
      negativeInfinity: "-Infinity",
      nan: "NaN"
    )
    guard let data = try? encoder.encode(value) else { return .null }
    return (try? JSONValue.parse(Array(data))) ?? .null
  }
  var differences: [String] = []
  func compare(_ first: JSONValue, _ second: JSONValue, at path: String) {
    guard let left = first.objectValue, let right = second.objectValue else {
      if first != second {
        differences.append("\(path) (\(first.serialized()) and \(second.serialized()))")
      }
      return
    }
    for key in Set(left.keys + right.keys).sorted() {
      let inner = path.isEmpty ? key : "\(path).\(key)"
      compare(left[key] ?? .null, right[key] ?? .null, at: inner)
    }
  }
  compare(json(first), json(second), at: "")
  return differences
}
