package import Checkpoints

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// A setting with which a run or a federation began, and another one that is given now: for messages of
/// what cannot be gone on with.
public struct SettingDifference: Hashable, Sendable, CustomStringConvertible {
  /// The setting by its path, such as `training.learningRate`.
  public let name: String
  /// What was saved, as JSON; `null` for nothing.
  public let saved: String
  /// What is given, as JSON; `null` for nothing.
  public let given: String

  /// Where two documents differ, in alphabetical order.
  ///
  /// Objects are compared part by part, unless they are the cases of an enumeration, which have one
  /// key: of these the whole value is shown.
  package static func between(
    _ saved: JSONValue,
    _ given: JSONValue,
    at path: String = ""
  ) -> [SettingDifference] {
    if saved == given { return [] }
    if let old = saved.objectValue, let new = given.objectValue {
      let keys = Set(old.keys).union(new.keys)
      if keys.count > 1, !Set(old.keys).isDisjoint(with: new.keys) {
        return keys.sorted().flatMap { key in
          let inner = path.isEmpty ? key : "\(path).\(key)"
          return between(old[key] ?? .null, new[key] ?? .null, at: inner)
        }
      }
    }
    return [
      SettingDifference(name: path, saved: saved.serialized(), given: given.serialized())
    ]
  }

  /// Where two values differ as JSON.
  package static func between<Value: Encodable>(
    _ saved: Value,
    _ given: Value,
    at path: String = ""
  ) -> [SettingDifference] {
    between(json(saved), json(given), at: path)
  }

  private static func json(_ value: some Encodable) -> JSONValue {
    let encoder = JSONEncoder()
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "Infinity",
      negativeInfinity: "-Infinity",
      nan: "NaN"
    )
    guard let data = try? encoder.encode(value) else { return .null }
    return (try? JSONValue.parse(Array(data))) ?? .null
  }

  /// Name and values, of which 60 characters are shown.
  public var description: String {
    "\(name) is \(Self.short(saved)) there, \(Self.short(given)) here"
  }

  private static func short(_ text: String) -> String {
    switch text {
    case "null": "none"
    case _ where text.count > 60: text.prefix(60) + "…"
    case _: text
    }
  }
}
