extension JSONValue {
  /// The value that a file holds.
  ///
  /// - Throws: `CheckpointError.unreadable` or `.json`.
  public static func read(
    _ path: String,
    limits: JSONLimits = JSONLimits()
  ) throws(CheckpointError) -> JSONValue {
    // In memory: strings are copied out anyway, and a file that shrinks does no harm.
    let file = try MappedFile(path: path, mode: .inMemory)
    defer { withExtendedLifetime(file) {} }
    do {
      return try parse(file.bytes, limits: limits)
    } catch {
      throw .json(path: path, error)
    }
  }

  /// Writes the value to a file, which appears complete or not at all.
  ///
  /// - Throws: `CheckpointError.unwritable`.
  public func write(
    to path: String,
    pretty: Bool = true,
    keys: JSONKeyOrder = .insertion
  ) throws(CheckpointError) {
    var bytes = serializedBytes(pretty: pretty, keys: keys)
    bytes.append(0x0A)
    try AtomicFile.write(bytes, to: path)
  }
}
