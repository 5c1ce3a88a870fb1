public import Checkpoints
import Tensor

/// Writes a file of packed tokens piece by piece, so that they need not be in memory at once.
///
///     let writer = try TokenFileWriter(path: "book.tokens", vocabularyCount: 4096, tokenizer: name)
///     try writer.append(ids)
///     try writer.finish()
///
/// The file, see `TokenFile`, appears when `finish` is called, complete or not at all. Its bytes depend
/// on the tokens alone, not on the pieces in which they came.
public final class TokenFileWriter {
  /// The path that the file will have.
  public let path: String
  /// V: ids are below it; up to 256, tokens are stored as bytes.
  public let vocabularyCount: Int
  /// The tokens so far.
  public private(set) var count = 0
  private let tokenizer: String
  private let file: AtomicFile
  private let headerCount: Int

  /// Creates the file under a temporary name.
  ///
  /// - Throws: `CheckpointError.unwritable`.
  public init(path: String, vocabularyCount: Int, tokenizer: String) throws(CheckpointError) {
    self.path = path
    self.vocabularyCount = vocabularyCount
    self.tokenizer = tokenizer
    // The header comes first and names the number of tokens, which is known last: leave room.
    headerCount = Self.header(vocabularyCount, tokenizer, count: .max / 4).count
    file = try AtomicFile(path: path)
    try Self.append([UInt8](repeating: 0x20, count: headerCount), to: file)
  }

  /// Appends tokens, each in [0, V).
  ///
  /// - Throws: `CheckpointError.unwritable`.
  public func append(_ tokens: [Int32]) throws(CheckpointError) {
    expect(
      tokens.allSatisfy { $0 >= 0 && $0 < vocabularyCount },
      "token file: a token is outside the vocabulary of \(vocabularyCount)"
    )
    if Self.isSmall(vocabularyCount) {
      try Self.append(tokens.map { UInt8(truncatingIfNeeded: $0) }, to: file)
    } else {
      try Self.append(tokens.map(\.littleEndian), to: file)
    }
    count += tokens.count
  }

  /// Appends bytes as tokens.
  ///
  /// - Throws: `CheckpointError.unwritable`.
  public func append(bytes: [UInt8]) throws(CheckpointError) {
    guard vocabularyCount == 256 else { return try append(bytes.map { Int32($0) }) }
    try Self.append(bytes, to: file)
    count += bytes.count
  }

  /// Puts the file in its place.
  ///
  /// - Throws: `CheckpointError.unwritable`.
  public func finish() throws(CheckpointError) {
    var header = Self.header(vocabularyCount, tokenizer, count: count)
    header.append(contentsOf: repeatElement(0x20, count: headerCount - header.count))
    let length = UInt64(headerCount - 8).littleEndian
    withUnsafeBytes(of: length) { header.replaceSubrange(..<8, with: $0) }
    let outcome = header.withUnsafeBytes { bytes in
      Result<Void, CheckpointError> { () throws(CheckpointError) in try file.write(bytes, at: 0) }
    }
    try outcome.get()
    try file.commit()
  }

  private static func isSmall(_ vocabularyCount: Int) -> Bool { vocabularyCount <= 256 }

  /// The length field, empty, and the JSON, up to a multiple of 8.
  private static func header(_ vocabularyCount: Int, _ tokenizer: String, count: Int) -> [UInt8] {
    let isSmall = isSmall(vocabularyCount)
    let document: JSONValue = [
      "__metadata__": [
        "tokenizer": .string(tokenizer), "vocabulary": .string("\(vocabularyCount)"),
      ],
      "tokens": [
        "dtype": isSmall ? "U8" : "I32", "shape": [.integer(Int64(count))],
        "data_offsets": [0, .integer(Int64(isSmall ? count : count * 4))],
      ],
    ]
    let text = document.serializedBytes()
    let padding = repeatElement(UInt8(0x20), count: (8 - text.count % 8) % 8)
    return [UInt8](repeating: 0, count: 8) + text + padding
  }

  private static func append<Element>(
    _ elements: [Element],
    to file: AtomicFile
  ) throws(CheckpointError) {
    let outcome = elements.withUnsafeBytes { bytes in
      Result<Void, CheckpointError> { () throws(CheckpointError) in try file.append(bytes) }
    }
    try outcome.get()
  }
}
