/// The candidate merges of a long piece, lowest rank first, leftmost first among equals.
///
/// A binary heap that is never searched: a candidate whose symbols have changed since is noticed
/// when it comes out, and dropped.
struct PairHeap {
  /// A candidate merge of the symbol at `position` with the next one.
  struct Candidate {
    /// Rank in the upper half, position in the lower one.
    var key: UInt64
    var left: Int32
    var right: Int32
    var position: Int { Int(truncatingIfNeeded: key & 0xFFFF_FFFF) }
  }

  /// The neighbours of a symbol, −1 at the ends.
  struct Link {
    var previous: Int32
    var next: Int32
  }

  private var items: [Candidate] = []

  mutating func removeAll() { items.removeAll(keepingCapacity: true) }

  mutating func push(_ candidate: Candidate) {
    items.append(candidate)
    var child = items.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard candidate.key < items[parent].key else { break }
      items[child] = items[parent]
      child = parent
    }
    items[child] = candidate
  }

  mutating func pop() -> Candidate? {
    guard let last = items.popLast() else { return nil }
    guard let top = items.first else { return last }
    var parent = 0
    while true {
      var child = parent * 2 + 1
      guard child < items.count else { break }
      if child + 1 < items.count, items[child + 1].key < items[child].key { child += 1 }
      guard items[child].key < last.key else { break }
      items[parent] = items[child]
      parent = child
    }
    items[parent] = last
    return top
  }
}

extension PairTable {
  /// Merges a long list of symbols in place, this table being the merges, in O(n log n).
  func mergeLong(_ ids: inout [Int32], heap: inout PairHeap, links: inout [PairHeap.Link]) {
    heap.removeAll()
    links.removeAll(keepingCapacity: true)
    for index in ids.indices {
      let next = index + 1 < ids.count ? index + 1 : -1
      links.append(PairHeap.Link(previous: Int32(index - 1), next: Int32(next)))
      if next > 0 { push(ids, index, next, &heap) }
    }
    while let candidate = heap.pop() {
      apply(candidate, &ids, &heap, &links)
    }
    ids.removeAll { $0 == PairTable.gone }
  }

  /// Marks a symbol that was merged into the one before it.
  private static let gone: Int32 = .min

  private func push(_ ids: [Int32], _ left: Int, _ right: Int, _ heap: inout PairHeap) {
    let (first, second) = (ids[left], ids[right])
    guard let merge = value(UInt32(bitPattern: first), UInt32(bitPattern: second)) else { return }
    heap.push(
      PairHeap.Candidate(
        key: UInt64(merge.first) << 32 | UInt64(UInt32(left)),
        left: first,
        right: second
      )
    )
  }

  private func apply(
    _ candidate: PairHeap.Candidate,
    _ ids: inout [Int32],
    _ heap: inout PairHeap,
    _ links: inout [PairHeap.Link]
  ) {
    let left = candidate.position
    let right = Int(links[left].next)
    guard right >= 0, ids[left] == candidate.left, ids[right] == candidate.right,
      let merge = value(
        UInt32(bitPattern: candidate.left),
        UInt32(bitPattern: candidate.right)
      )
    else { return }
    ids[left] = Int32(bitPattern: merge.second)
    ids[right] = PairTable.gone
    let next = Int(links[right].next)
    links[left].next = Int32(next)
    if next >= 0 {
      links[next].previous = Int32(left)
      push(ids, left, next, &heap)
    }
    let previous = Int(links[left].previous)
    if previous >= 0 { push(ids, previous, left, &heap) }
  }
}
