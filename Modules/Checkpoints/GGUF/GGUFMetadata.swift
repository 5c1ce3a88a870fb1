/// The key-value pairs of a GGUF file, in its order.
public struct GGUFMetadata: RandomAccessCollection, Sendable {
  let table: NameTable<GGUFValue>

  /// The position of the first pair.
  public var startIndex: Int { 0 }
  /// The position after the last pair; the number of keys.
  public var endIndex: Int { table.count }
  /// The pair at a position.
  public subscript(position: Int) -> (key: String, value: GGUFValue) {
    let entry = table.entries[position]
    return (entry.name, entry.value)
  }
  /// The value of a key.
  public subscript(key: String) -> GGUFValue? { table[key] }
  /// The keys in order.
  public var keys: [String] { table.names }

  func string(_ key: String, path: String) throws(CheckpointError) -> String {
    let value = try value(key, path)
    guard let string = value.stringValue else { throw wrongType(key, path, value, "a string") }
    return string
  }

  func value(_ key: String, _ path: String) throws(CheckpointError) -> GGUFValue {
    guard let value = self[key] else { throw .missingKey(path: path, key: key) }
    return value
  }

  func wrongType(
    _ key: String,
    _ path: String,
    _ value: GGUFValue,
    _ expected: String
  ) -> CheckpointError {
    let element = value.arrayValue.map { " of \($0.elementType)" } ?? ""
    return .keyType(path: path, key: key, expected: expected, found: "\(value.type)" + element)
  }
}

extension GGUFFile {
  /// A string of the metadata.
  ///
  /// - Throws: `CheckpointError.missingKey`, or `.keyType` also when the bytes are not UTF-8.
  public func string(_ key: String) throws(CheckpointError) -> String {
    try metadata.string(key, path: path)
  }

  /// An integer of the metadata, of whatever width.
  ///
  /// - Throws: `CheckpointError.missingKey` or `.keyType`.
  public func integer(_ key: String) throws(CheckpointError) -> Int {
    let value = try metadata.value(key, path)
    guard let integer = value.integerValue else {
      throw metadata.wrongType(key, path, value, "an integer")
    }
    return integer
  }

  /// A number of the metadata, of whatever type.
  ///
  /// - Throws: `CheckpointError.missingKey` or `.keyType`.
  public func float(_ key: String) throws(CheckpointError) -> Float {
    let value = try metadata.value(key, path)
    guard let float = value.floatValue else {
      throw metadata.wrongType(key, path, value, "a number")
    }
    return float
  }

  /// A truth value of the metadata.
  ///
  /// - Throws: `CheckpointError.missingKey` or `.keyType`.
  public func bool(_ key: String) throws(CheckpointError) -> Bool {
    let value = try metadata.value(key, path)
    guard let bool = value.boolValue else {
      throw metadata.wrongType(key, path, value, "a truth value")
    }
    return bool
  }

  /// A list of the metadata whose elements have exactly this type.
  ///
  /// - Throws: `CheckpointError.missingKey` or `.keyType`.
  public func array(
    _ key: String,
    of type: GGUFValueType
  ) throws(CheckpointError) -> GGUFArray {
    let value = try metadata.value(key, path)
    guard let array = value.arrayValue, array.elementType == type else {
      throw metadata.wrongType(key, path, value, "array of \(type)")
    }
    return array
  }
}
