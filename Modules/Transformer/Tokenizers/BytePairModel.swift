/// Byte-pair encoding: byte-level (GPT-2, Llama 3, Qwen, SmolLM) and SentencePiece style (Llama 2,
/// Gemma).
///
/// A piece starts as one symbol a byte or a scalar. Then the adjacent pair whose merge has the
/// lowest rank is merged, the leftmost first among equals, until no pair has a merge.
///
/// * Most pieces of ordinary text are a token. Which tokens encode to themselves is found out once
///   at load, and such a piece costs one look-up.
/// * Short pieces scan an array of ranks; long ones use a heap and a linked list, O(n log n).
/// * A vocabulary where no token holds ▁ after another character (all SentencePiece ones that split
///   at white space) lets the text be cut before each ▁ without changing a single id.
struct BytePairModel: Sendable {
  /// What the first symbols of a piece are.
  enum Symbols: Sendable {
    /// One a byte: the id for each byte, −1 where the vocabulary has none.
    case bytes([Int32])
    /// One a scalar; where it is not in the vocabulary, one a byte (`fallback`), if those exist.
    case scalars(fallback: [Int32])
  }

  /// Everything that the format leaves open.
  struct Options: Sendable {
    var unknownID: Int32?
    /// Adjacent unknown symbols give one id.
    var fusesUnknown = false
    /// A piece that is a token is never merged from its parts (Llama 3).
    var ignoresMerges = false
  }

  let table: TokenTable
  let merges: PairTable
  let symbols: Symbols
  let options: Options
  /// For each id, whether its own bytes encode to it alone.
  private var isWhole: [Bool] = []
  private var cutsAtMetaspace = false

  private static let metaspace: [UInt8] = [0xE2, 0x96, 0x81]

  /// A model over the tokens of `table`; `merges` maps (left, right) to (rank, merged id).
  init(table: TokenTable, merges: PairTable, symbols: Symbols, options: Options) {
    self.table = table
    self.merges = merges
    self.symbols = symbols
    self.options = options
    if case .scalars = symbols, !options.ignoresMerges {
      cutsAtMetaspace = allowsCutsAtMetaspace()
    }
    isWhole = findWholeTokens()
  }

  /// Memory that is used again from piece to piece.
  struct Scratch {
    var ids: [Int32] = []
    var ranks: [UInt64] = []
    var heap = PairHeap()
    var links: [PairHeap.Link] = []
  }

  /// Appends the ids of `text[start..<end]`.
  func encode(
    _ text: UTF8Text,
    _ start: Int,
    _ end: Int,
    into output: inout [Int32],
    scratch: inout Scratch
  ) {
    guard cutsAtMetaspace else {
      encodePiece(text, start, end, into: &output, scratch: &scratch)
      return
    }
    var position = start
    while position < end {
      let next = endOfWord(text, position, end)
      encodePiece(text, position, next, into: &output, scratch: &scratch)
      position = next
    }
  }

  @inline(__always)
  private func encodePiece(
    _ text: UTF8Text,
    _ start: Int,
    _ end: Int,
    into output: inout [Int32],
    scratch: inout Scratch
  ) {
    if let id = table.id(of: text, from: start, to: end),
      options.ignoresMerges || isWhole[Int(id)]
    {
      output.append(id)
      return
    }
    scratch.ids.removeAll(keepingCapacity: true)
    appendSymbols(text, start, end, to: &scratch.ids)
    merge(&scratch)
    output.append(contentsOf: scratch.ids)
  }

  // MARK: - Load time

  private func findWholeTokens() -> [Bool] {
    var scratch = Scratch()
    return (0..<table.count).map { id in
      guard let token = table.token(Int32(id)), !token.isEmpty else { return false }
      return token.withUnsafeBufferPointer { bytes in
        scratch.ids.removeAll(keepingCapacity: true)
        appendSymbols(bytes, 0, bytes.count, to: &scratch.ids)
        merge(&scratch)
        return scratch.ids.count == 1 && scratch.ids[0] == Int32(id)
      }
    }
  }

  private func allowsCutsAtMetaspace() -> Bool {
    let mark = BytePairModel.metaspace
    guard table.id(of: mark) != nil else { return false }
    return !(0..<table.count).contains { id in
      guard let token = table.token(Int32(id)), token.contains(mark[0]) else { return false }
      return token.withUnsafeBufferPointer { bytes in
        endOfWord(bytes, 0, bytes.count) != bytes.count
      }
    }
  }

  /// The first place after `start` where ▁ follows something else than ▁.
  private func endOfWord(_ text: UTF8Text, _ start: Int, _ end: Int) -> Int {
    var position = start
    while isMetaspace(text, position, end) { position += 3 }
    while position < end {
      if text[position] == 0xE2, isMetaspace(text, position, end) { return position }
      position += 1
    }
    return end
  }

  @inline(__always)
  private func isMetaspace(_ text: UTF8Text, _ index: Int, _ end: Int) -> Bool {
    index + 3 <= end && text[index] == 0xE2 && text[index + 1] == 0x96 && text[index + 2] == 0x81
  }

  // MARK: - First symbols

  private func appendSymbols(
    _ text: UTF8Text,
    _ start: Int,
    _ end: Int,
    to ids: inout [Int32]
  ) {
    var unknowns = UnknownRun(options)
    switch symbols {
    case .bytes(let byteIDs):
      for index in start..<end {
        unknowns.add(byteIDs[Int(text[index])], to: &ids)
      }
    case .scalars(let fallback):
      var position = start
      while position < end {
        let next = position + text.scalar(at: position, end: end).length
        if let id = table.id(of: text, from: position, to: next) {
          unknowns.add(id, to: &ids)
        } else {
          addBytes(text, position..<next, fallback, &unknowns, &ids)
        }
        position = next
      }
    }
    unknowns.flush(to: &ids)
  }

  /// The byte tokens of a scalar if all exist, else the unknown token.
  private func addBytes(
    _ text: UTF8Text,
    _ range: Range<Int>,
    _ fallback: [Int32],
    _ unknowns: inout UnknownRun,
    _ ids: inout [Int32]
  ) {
    guard !fallback.isEmpty, range.allSatisfy({ fallback[Int(text[$0])] >= 0 }) else {
      unknowns.add(-1, to: &ids)
      return
    }
    for index in range { ids.append(fallback[Int(text[index])]) }
  }

  /// Holds an unknown symbol back until it is clear whether another joins it.
  private struct UnknownRun {
    let id: Int32?
    let fuses: Bool
    var isPending = false

    init(_ options: Options) {
      id = options.unknownID
      fuses = options.fusesUnknown
    }

    @inline(__always)
    mutating func add(_ symbol: Int32, to ids: inout [Int32]) {
      if symbol >= 0 {
        if isPending { flush(to: &ids) }
        ids.append(symbol)
      } else if id != nil {
        if isPending && !fuses { flush(to: &ids) }
        isPending = true
      }
    }

    mutating func flush(to ids: inout [Int32]) {
      if isPending, let id { ids.append(id) }
      isPending = false
    }
  }

  // MARK: - Merging

  private func merge(_ scratch: inout Scratch) {
    if scratch.ids.count < 2 { return }
    if scratch.ids.count <= 24 {
      mergeShort(&scratch.ids, &scratch.ranks)
    } else {
      merges.mergeLong(&scratch.ids, heap: &scratch.heap, links: &scratch.links)
    }
  }

  /// Rank in the upper half and merged id in the lower one; all ones when there is no merge.
  @inline(__always)
  private func merge(_ left: Int32, _ right: Int32) -> UInt64 {
    guard let value = merges.value(UInt32(bitPattern: left), UInt32(bitPattern: right)) else {
      return .max
    }
    return UInt64(value.first) << 32 | UInt64(value.second)
  }

  private func mergeShort(_ ids: inout [Int32], _ ranks: inout [UInt64]) {
    ranks.removeAll(keepingCapacity: true)
    for index in 1..<ids.count { ranks.append(merge(ids[index - 1], ids[index])) }
    while true {
      var best = UInt64.max
      var place = 0
      for index in ranks.indices where ranks[index] >> 32 < best >> 32 {
        best = ranks[index]
        place = index
      }
      if best == .max { return }
      ids[place] = Int32(truncatingIfNeeded: best)
      ids.remove(at: place + 1)
      ranks.remove(at: place)
      if place > 0 { ranks[place - 1] = merge(ids[place - 1], ids[place]) }
      if place + 1 < ids.count { ranks[place] = merge(ids[place], ids[place + 1]) }
    }
  }
}
