import Checkpoints

extension BeamModel {
  /// The most beams and columns that a description may have.
  private static let limits = (beams: 10_000, columns: 100_000)

  /// The entries of a sensor's file.
  private enum Key: String, CaseIterable {
    case name, elevations, columnCount, mountHeight, maximumRange
  }

  /// Reads a sensor of one's own from a JSON file.
  ///
  ///     {
  ///       "name": "my32", "elevations": [10.0, 9.0, 7.5], "columnCount": 1800,
  ///       "mountHeight": 1.9, "maximumRange": 100
  ///     }
  ///
  /// - Throws: `BeamModelError` with the path, the entry and what it should be.
  public init(contentsOf path: String) throws(BeamModelError) {
    let json: JSONValue
    do {
      json = try JSONValue.read(path)
    } catch {
      throw .file(error)
    }
    func fault(_ key: String, _ reason: String) -> BeamModelError {
      .malformed(path: path, key: key, reason: reason)
    }
    func value<Value>(
      _ key: Key,
      _ kind: String,
      _ read: (JSONValue) -> Value?
    ) throws(BeamModelError) -> Value {
      guard let entry = json[key.rawValue] else { throw fault(key.rawValue, "missing, \(kind)") }
      guard let value = read(entry) else { throw fault(key.rawValue, "must be \(kind)") }
      return value
    }
    guard let entries = json.objectValue else {
      throw fault("(all)", "the file must hold one object of " + Self.keyList)
    }
    for key in entries.keys where Key(rawValue: key) == nil {
      throw fault(key, "not known, a sensor has " + Self.keyList)
    }
    self.init(
      name: try value(.name, "a text") { $0.stringValue },
      elevations: try value(.elevations, "a list of degrees, the topmost first", Self.numbers),
      columnCount: try value(.columnCount, "a whole number: the firings of a turn") { $0.intValue },
      mountHeight: try value(.mountHeight, "a number of metres") { $0.doubleValue },
      maximumRange: try value(.maximumRange, "a number of metres") { $0.doubleValue }
    )
    try validate()
  }

  /// Writes the sensor to a JSON file that can be read again.
  ///
  /// - Throws: `BeamModelError`: the sensor is not valid, or the file cannot be written.
  public func write(to path: String) throws(BeamModelError) {
    try validate()
    let json: JSONValue = .object([
      "name": .string(name),
      "elevations": .array(elevations.map { .number($0) }),
      "columnCount": .integer(Int64(columnCount)),
      "mountHeight": .number(mountHeight),
      "maximumRange": .number(maximumRange),
    ])
    do {
      try json.write(to: path)
    } catch {
      throw .file(error)
    }
  }

  /// Checks that there can be such a sensor: what comes from files and users must pass.
  ///
  /// - Throws: `BeamModelError.invalid` with the property and what it should be.
  public func validate() throws(BeamModelError) {
    try check("name", !name.isEmpty, "is empty")
    try check(
      "elevations",
      (1...Self.limits.beams).contains(elevations.count),
      "\(elevations.count) beams, must be 1 to \(Self.limits.beams)"
    )
    for (beam, elevation) in elevations.enumerated() {
      try check(
        "elevations",
        abs(elevation) <= 90,
        "beam \(beam) points to \(elevation), must be within -90 and 90 degrees"
      )
      guard beam > 0 else { continue }
      try check(
        "elevations",
        elevation <= elevations[beam - 1],
        "beam \(beam) (\(elevation)) lies above beam \(beam - 1) (\(elevations[beam - 1])), "
          + "list the topmost first"
      )
    }
    try check(
      "columnCount",
      (1...Self.limits.columns).contains(columnCount),
      "\(columnCount), must be 1 to \(Self.limits.columns)"
    )
    let height = (0...1000).contains(mountHeight)
    try check("mountHeight", height, "\(mountHeight), must be 0 to 1000 metres")
    let range = maximumRange > 0 && maximumRange <= 100_000
    try check("maximumRange", range, "\(maximumRange), must be above 0, up to 100000 metres")
  }

  private func check(
    _ property: String,
    _ condition: Bool,
    _ reason: @autoclosure () -> String
  ) throws(BeamModelError) {
    if !condition { throw .invalid(name: name, property: property, reason: reason()) }
  }

  private static var keyList: String {
    Key.allCases.map(\.rawValue).joined(separator: ", ")
  }

  private static func numbers(_ json: JSONValue) -> [Double]? {
    guard let values = json.arrayValue else { return nil }
    let numbers = values.compactMap(\.doubleValue)
    return numbers.count == values.count ? numbers : nil
  }
}
