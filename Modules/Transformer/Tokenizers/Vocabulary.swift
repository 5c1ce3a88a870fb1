/// The tokens of a model and the added tokens beside it.
///
/// A byte-level vocabulary is kept as raw bytes: `Ġthe` is stored as the four bytes of " the", so
/// that neither encoding nor decoding maps characters. The few tokens that are spelled outside the
/// byte alphabet (often added tokens) keep their spelling.
struct Vocabulary: Sendable {
  /// Tokens by id; the raw bytes in a byte-level vocabulary.
  let table: TokenTable
  let isByteLevel: Bool
  let added: [AddedToken]
  /// Byte-level ids that are stored as they are spelled, not as the bytes that they spell.
  private let literalIDs: Set<Int32>
  private let idsOfLiterals: [[UInt8]: Int32]
  private let addedByID: [Int32: AddedToken]
  let specialIDs: Set<Int32>
  /// The number of ids: one more than the largest.
  let count: Int

  /// A vocabulary of the model's tokens, spelled as in the file, whose field `path` errors name.
  init(
    _ tokens: [(token: [UInt8], id: Int32)],
    added: [AddedToken],
    isByteLevel: Bool,
    path: String
  ) throws(TokenizerError) {
    let idCount = try Vocabulary.checkedCount(tokens, path)
    var table = TokenTable(idCount: idCount)
    var literals: [([UInt8], Int32)] = []
    for (token, id) in tokens {
      guard !table.contains(id) else {
        throw .invalidField(path: path, expected: "one token an id", found: "two with id \(id)")
      }
      let duplicate = token.withUnsafeBufferPointer { spelling -> Int32? in
        guard isByteLevel else { return table.insert(spelling, id: id) }
        if let bytes = ByteAlphabet.decoded(spelling) {
          return bytes.withUnsafeBufferPointer { table.insert($0, id: id) }
        }
        literals.append((token, id))
        return table.insert(spelling, id: id, isFindable: false)
      }
      if let duplicate {
        let found = "ids \(duplicate) and \(id) alike"
        throw .invalidField(path: path, expected: "distinct tokens", found: found)
      }
    }
    self.table = table
    self.isByteLevel = isByteLevel
    self.added = added
    literalIDs = Set(literals.map(\.1))
    idsOfLiterals = Dictionary(
      literals + added.map { (Array($0.content.utf8), $0.id) },
      uniquingKeysWith: { _, last in last }
    )
    addedByID = Dictionary(added.map { ($0.id, $0) }, uniquingKeysWith: { _, last in last })
    specialIDs = Set(added.filter(\.isSpecial).map(\.id))
    count = max(idCount, added.map { Int($0.id) + 1 }.max() ?? 0)
  }

  /// The vocabulary without the added tokens from id `limit` on; nil if other tokens lie there.
  init?(_ other: Vocabulary, limitedTo limit: Int) {
    let isAdded = (limit..<max(limit, other.count)).allSatisfy { id in
      other.addedByID[Int32(id)] != nil || !other.table.contains(Int32(id))
    }
    guard isAdded else { return nil }
    table = other.table
    isByteLevel = other.isByteLevel
    added = other.added.filter { $0.id < limit }
    literalIDs = other.literalIDs.filter { $0 < limit }
    idsOfLiterals = other.idsOfLiterals.filter { $0.value < limit }
    addedByID = other.addedByID.filter { $0.key < limit }
    specialIDs = other.specialIDs.filter { $0 < limit }
    count = min(limit, other.count)
  }

  private static func checkedCount(
    _ tokens: [(token: [UInt8], id: Int32)],
    _ path: String
  ) throws(TokenizerError) -> Int {
    var bytes = 0
    var largest: Int32 = -1
    for (token, id) in tokens {
      guard id >= 0 else {
        throw .invalidField(path: path, expected: "ids from 0", found: "\(id)")
      }
      guard token.count <= TokenizerLimits.tokenBytes else {
        throw .limitExceeded(
          path: "\(path): bytes of token \(id)",
          limit: TokenizerLimits.tokenBytes,
          found: token.count
        )
      }
      bytes += token.count
      largest = max(largest, id)
    }
    try limit(tokens.count, TokenizerLimits.tokenCount, "\(path): number of tokens")
    try limit(bytes, 1 << 30, "\(path): bytes of all tokens")
    try limit(Int(largest), tokens.count + TokenizerLimits.idGap, "\(path): largest id")
    return Int(largest) + 1
  }

  private static func limit(_ found: Int, _ limit: Int, _ path: String) throws(TokenizerError) {
    if found > limit { throw .limitExceeded(path: path, limit: limit, found: found) }
  }

  // MARK: - Look-up

  /// The id of a token in the spelling of the file.
  func id(of token: String) -> Int32? {
    let spelling = Array(token.utf8)
    return idsOfLiterals[spelling] ?? modelID(of: spelling)
  }

  /// The id that the model gives a token in the spelling of the file, added tokens aside.
  func modelID(of spelling: [UInt8]) -> Int32? {
    guard isByteLevel else { return table.id(of: spelling) }
    let bytes = spelling.withUnsafeBufferPointer { ByteAlphabet.decoded($0) }
    if let bytes { return table.id(of: bytes) }
    return idsOfLiterals[spelling].flatMap { literalIDs.contains($0) ? $0 : nil }
  }

  /// The spelling of a token in the file, nil where there is no such id.
  func spelling(of id: Int32) -> [UInt8]? {
    if let token = addedByID[id] { return token.spelling }
    guard let bytes = table.token(id) else { return nil }
    return isByteLevel && !literalIDs.contains(id) ? ByteAlphabet.encoded(bytes) : Array(bytes)
  }

  /// Whether the id is left out of texts that are decoded without special tokens.
  @inline(__always)
  func isSpecial(_ id: Int32) -> Bool { specialIDs.contains(id) }

  /// The added token with this id.
  func addedToken(_ id: Int32) -> AddedToken? { addedByID[id] }

  /// The ids of the 256 bytes in a byte-level vocabulary, −1 for those that are missing.
  var idsOfBytes: [Int32] {
    (0...255).map { byte in table.id(of: CollectionOfOne(UInt8(byte))) ?? -1 }
  }

  /// The ids of the byte tokens `<0x00>` … `<0xFF>`, −1 for those that are missing.
  var byteTokens: [Int32] {
    (0..<256).map { byte in
      let digits = String(byte, radix: 16, uppercase: true)
      return id(of: "<0x\(digits.count == 1 ? "0" : "")\(digits)>") ?? -1
    }
  }
}
