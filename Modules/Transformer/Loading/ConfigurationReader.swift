import Checkpoints

/// Reads settings out of a JSON object or GGUF metadata and says which one is wrong.
struct ConfigurationReader {
  /// The file that the settings come from, for messages.
  let path: String
  /// The value of a key; nil when it is absent.
  let value: (String) -> JSONValue?

  init(path: String, value: @escaping (String) -> JSONValue?) {
    self.path = path
    self.value = value
  }

  init(path: String, object: JSONObject) {
    self.init(path: path) { object[$0] }
  }

  /// The same settings, with values for keys that are absent.
  func with(defaults: JSONObject) -> ConfigurationReader {
    ConfigurationReader(path: path) { value($0) ?? defaults[$0] }
  }

  /// The same settings, where a key that is absent may have another name.
  func with(otherNames: [String: String]) -> ConfigurationReader {
    ConfigurationReader(path: path) { key in value(key) ?? otherNames[key].flatMap(value) }
  }

  private func present(_ key: String) -> JSONValue? {
    guard let value = value(key), !value.isNull else { return nil }
    return value
  }

  func invalid(_ key: String, _ reason: String) -> ModelError {
    .invalidConfiguration(path: path, key: key, reason: reason)
  }

  /// An integer in `range`; throws if it is missing and there is no default.
  func integer(
    _ key: String,
    in range: ClosedRange<Int>,
    default fallback: Int? = nil
  ) throws(ModelError) -> Int {
    guard let found = present(key) else {
      guard let fallback else { throw invalid(key, "is missing") }
      return fallback
    }
    guard let number = found.intValue else { throw invalid(key, "is not an integer: \(found)") }
    guard range.contains(number) else {
      throw invalid(
        key,
        "is \(number), which is not between \(range.lowerBound) and \(range.upperBound)"
      )
    }
    return number
  }

  /// An integer in `range`, or nil if it is absent.
  func optionalInteger(_ key: String, in range: ClosedRange<Int>) throws(ModelError) -> Int? {
    try present(key) == nil ? nil : integer(key, in: range)
  }

  /// Whether the number is there and zero.
  func isZero(_ key: String) -> Bool { present(key)?.doubleValue == 0 }

  /// A finite number above zero, or nil if it is absent.
  func optionalPositive(_ key: String) throws(ModelError) -> Float? {
    try present(key) == nil ? nil : positive(key)
  }

  /// A finite number above zero.
  func positive(_ key: String, default fallback: Float? = nil) throws(ModelError) -> Float {
    guard let found = present(key) else {
      guard let fallback else { throw invalid(key, "is missing") }
      return fallback
    }
    guard let number = found.doubleValue else { throw invalid(key, "is not a number: \(found)") }
    let narrowed = Float(number)
    guard narrowed.isFinite, narrowed > 0 else {
      throw invalid(key, "is \(number), which is not a number above zero")
    }
    return narrowed
  }

  /// A list of finite numbers above zero.
  func positives(_ key: String) throws(ModelError) -> [Float] {
    guard let found = present(key)?.arrayValue else { throw invalid(key, "is not a list") }
    var numbers: [Float] = []
    for value in found {
      guard let number = value.doubleValue.map({ Float($0) }), number.isFinite, number > 0 else {
        throw invalid(key, "holds \(value), which is not a number above zero")
      }
      numbers.append(number)
    }
    return numbers
  }

  func flag(_ key: String, default fallback: Bool) throws(ModelError) -> Bool {
    guard let found = present(key) else { return fallback }
    guard let flag = found.boolValue else { throw invalid(key, "is not true or false: \(found)") }
    return flag
  }

  func string(_ key: String) throws(ModelError) -> String? {
    guard let found = present(key) else { return nil }
    guard let text = found.stringValue else { throw invalid(key, "is not a text: \(found)") }
    return text
  }

  /// A list of texts, or nil if it is absent.
  func strings(_ key: String) throws(ModelError) -> [String]? {
    guard let found = present(key) else { return nil }
    let texts = found.arrayValue?.compactMap(\.stringValue)
    guard let texts, texts.count == found.arrayValue?.count else {
      throw invalid(key, "is not a list of texts")
    }
    return texts
  }

  /// The settings nested under `key`; nil when it is absent or null.
  func nested(_ key: String) throws(ModelError) -> ConfigurationReader? {
    guard let found = present(key) else { return nil }
    guard let object = found.objectValue else { throw invalid(key, "is not an object") }
    return ConfigurationReader(path: path) { object[$0] }
  }

  /// Token ids: one integer or a list; −1 stands for none.
  func tokens(_ key: String) throws(ModelError) -> [Int32] {
    guard let found = present(key) else { return [] }
    let values = found.arrayValue ?? [found]
    var ids: [Int32] = []
    for value in values {
      guard let id = value.integerValue.flatMap({ Int32(exactly: $0) }), id >= -1 else {
        throw invalid(key, "is not a token id: \(value)")
      }
      if id >= 0 { ids.append(id) }
    }
    return ids
  }
}

/// The largest extents that a configuration may ask for: far above any real model, low enough that
/// no product of two of them overflows.
enum ConfigurationLimits {
  static let width = 1...1_048_576
  static let vocabulary = 1...16_777_216
  static let blocks = 1...1024
  static let heads = 1...4096
  static let context = 1...1_073_741_824
}
