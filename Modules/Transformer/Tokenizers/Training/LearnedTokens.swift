/// The tokens of a vocabulary that is being learned: special tokens, the 256 bytes in the order of
/// their code points in the printable alphabet, and what merges spell.
struct LearnedTokens {
  /// A merge of two ids, in the order of learning.
  struct Merge: Hashable {
    var left: UInt32
    var right: UInt32
  }

  /// The tokens by id, as UTF-8 of the printable alphabet.
  private(set) var spellings: [[UInt8]] = []
  /// The merges; of equal ones the last counts.
  private(set) var merges: [Merge] = []
  /// The id of each byte.
  private(set) var symbolOfByte = [UInt32](repeating: 0, count: 256)
  private var ids: [[UInt8]: UInt32] = [:]
  private var byteCounts: [Int] = []
  private var hasRepeats = false

  /// The tokens before the first merge.
  init(_ options: BytePairOptions) {
    for token in options.specialTokens { _ = id(of: Array(token.utf8), byteCount: 0) }
    let scalars = ByteAlphabet.scalars
    for byte in scalars.indices.sorted(by: { scalars[$0].value < scalars[$1].value }) {
      let spelling = ByteAlphabet.encoded(CollectionOfOne(UInt8(byte)))
      symbolOfByte[byte] = id(of: spelling, byteCount: 1)
    }
  }

  /// The number of tokens.
  var count: Int { spellings.count }

  /// The merges as readers need them: no pair twice.
  var distinctMerges: [Merge] {
    guard hasRepeats else { return merges }
    var places: [Merge: Int] = [:]
    for (place, merge) in merges.enumerated() { places[merge] = place }
    return merges.indices.filter { places[merges[$0]] == $0 }.map { merges[$0] }
  }

  /// The bytes that the token of a pair stands for.
  func byteCount(_ left: UInt32, _ right: UInt32) -> Int {
    byteCounts[Int(left)] + byteCounts[Int(right)]
  }

  /// The length of the spelling that the token of a pair has.
  func spellingLength(_ left: UInt32, _ right: UInt32) -> Int {
    spellings[Int(left)].count + spellings[Int(right)].count
  }

  /// Notes a merge; its id, which is new unless the text is a token already.
  mutating func merge(_ left: UInt32, _ right: UInt32) -> UInt32 {
    let count = spellings.count
    let spelling = spellings[Int(left)] + spellings[Int(right)]
    let id = id(of: spelling, byteCount: byteCount(left, right))
    if Int(id) < count { hasRepeats = true }
    merges.append(Merge(left: left, right: right))
    return id
  }

  private mutating func id(of spelling: [UInt8], byteCount: Int) -> UInt32 {
    if let id = ids[spelling] {
      byteCounts[Int(id)] = byteCount
      return id
    }
    let id = UInt32(spellings.count)
    ids[spelling] = id
    spellings.append(spelling)
    byteCounts.append(byteCount)
    return id
  }
}
