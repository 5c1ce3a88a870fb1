import Checkpoints

/// Collects the merges of a vocabulary: (left, right) → (rank, merged id).
struct MergeTable {
  private let vocabulary: Vocabulary
  private let path: String
  private(set) var pairs: PairTable

  /// An empty table for about `count` merges; `path` is the field that errors name.
  init(_ vocabulary: Vocabulary, count: Int, path: String) {
    self.vocabulary = vocabulary
    self.path = path
    pairs = PairTable(minimumCapacity: count)
  }

  /// Adds a merge spelled as `left right` with one space.
  mutating func add(line: [UInt8], rank: Int) throws(TokenizerError) {
    guard let space = line.firstIndex(of: 0x20), !line[(space + 1)...].contains(0x20) else {
      throw .invalidField(
        path: "\(path)[\(rank)]",
        expected: "two tokens with one space between",
        found: String(decoding: line, as: UTF8.self).quotedForMessage
      )
    }
    try add(Array(line[..<space]), Array(line[(space + 1)...]), rank: rank)
  }

  /// Adds a merge; of two equal ones the later counts.
  mutating func add(_ left: [UInt8], _ right: [UInt8], rank: Int) throws(TokenizerError) {
    let leftID = try id(of: left, rank)
    let rightID = try id(of: right, rank)
    let merged = try id(of: left + right, rank)
    pairs.set(
      UInt32(bitPattern: leftID),
      UInt32(bitPattern: rightID),
      to: PairTable.Value(
        first: UInt32(truncatingIfNeeded: rank),
        second: UInt32(bitPattern: merged)
      )
    )
  }

  private func id(of token: [UInt8], _ rank: Int) throws(TokenizerError) -> Int32 {
    if let id = vocabulary.modelID(of: token) { return id }
    throw .unknownToken(
      path: "\(path)[\(rank)]",
      token: String(decoding: token, as: UTF8.self).shortened
    )
  }
}
