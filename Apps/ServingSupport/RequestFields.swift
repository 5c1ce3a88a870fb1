import Checkpoints

/// The fields of a request, read with errors that name them; null is the same as nothing.
struct RequestFields: Sendable {
  private let object: JSONObject

  /// The fields of a body.
  ///
  /// - Throws: `APIError` if it is no JSON object.
  init(_ body: [UInt8]) throws(APIError) {
    let value: JSONValue
    do { value = try JSONValue.parse(body) } catch {
      throw .invalid("the body is no JSON: \(error)")
    }
    guard let object = value.objectValue else {
      throw .invalid("the body is \(value.kind), not an object")
    }
    self.object = object
  }

  subscript(name: String) -> JSONValue? {
    guard let value = object[name], !value.isNull else { return nil }
    return value
  }

  /// Refuses names that nobody reads: a typing error must not pass in silence.
  func check(known: Set<String>) throws(APIError) {
    for name in object.keys where !known.contains(name) {
      throw .invalid("unrecognized request argument supplied: \(name)", parameter: name)
    }
  }

  /// Refuses fields that would change what is written, unless they say what is the case anyway.
  func refuse(_ names: [String], unless isNeutral: (JSONValue) -> Bool) throws(APIError) {
    for name in names {
      guard let value = self[name], !isNeutral(value) else { continue }
      throw .unsupported(name)
    }
  }

  func string(_ name: String) throws(APIError) -> String? {
    guard let value = self[name] else { return nil }
    guard let string = value.stringValue else { throw wrongKind(name, value, "a string") }
    return string
  }

  func flag(_ name: String) throws(APIError) -> Bool? {
    guard let value = self[name] else { return nil }
    guard let flag = value.boolValue else { throw wrongKind(name, value, "a boolean") }
    return flag
  }

  func integer(_ name: String, in range: ClosedRange<Int>) throws(APIError) -> Int? {
    guard let value = self[name] else { return nil }
    // Some languages write whole numbers as 3.0.
    guard let number = value.doubleValue, number.rounded() == number else {
      throw wrongKind(name, value, "an integer")
    }
    guard let integer = value.intValue ?? Int(exactly: number), range.contains(integer) else {
      let limits =
        range.upperBound == .max
        ? "at least \(range.lowerBound)" : "\(range.lowerBound) to \(range.upperBound)"
      throw .invalid("\(name) is \(value); \(limits) is allowed", parameter: name)
    }
    return integer
  }

  func number(_ name: String, in range: ClosedRange<Double>) throws(APIError) -> Float? {
    guard let value = self[name] else { return nil }
    guard let number = value.doubleValue else { throw wrongKind(name, value, "a number") }
    guard range.contains(number) else {
      throw .invalid(
        "\(name) is \(number); \(range.lowerBound) to \(range.upperBound) is allowed",
        parameter: name
      )
    }
    return Float(number)
  }

  /// A string, or a list of at most `limit` strings.
  func strings(_ name: String, limit: Int) throws(APIError) -> [String]? {
    guard let value = self[name] else { return nil }
    if let string = value.stringValue { return [string] }
    guard let list = value.arrayValue else { throw wrongKind(name, value, "a string or a list") }
    guard list.count <= limit else {
      throw .invalid("\(name) has \(list.count) entries; \(limit) are allowed", parameter: name)
    }
    var strings: [String] = []
    for entry in list {
      guard let string = entry.stringValue else {
        throw wrongKind(name, entry, "a string", entry: true)
      }
      strings.append(string)
    }
    return strings
  }

  private func wrongKind(
    _ name: String,
    _ value: JSONValue,
    _ expected: String,
    entry: Bool = false
  ) -> APIError {
    let place = entry ? "an entry of \(name)" : name
    return .invalid("\(place) is \(value.kind); \(expected) is expected", parameter: name)
  }
}
