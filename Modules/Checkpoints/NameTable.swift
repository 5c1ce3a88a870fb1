/// Values under unique names, in the order in which they were added.
///
/// Names are compared byte by byte, not by canonical equivalence: `é` as one and as two scalars are
/// two names. Look-up is O(1) through a table that is keyed with the process's random hash seed, so
/// no file can make it slow.
struct NameTable<Value: Sendable>: Sendable {
  struct Entry: Sendable {
    var name: String
    var value: Value
  }

  /// Up to this many names are searched in order, without a table.
  private static var smallCount: Int { 8 }

  private(set) var entries: [Entry] = []
  /// Open addressing, at most half full; 0 is a free slot, otherwise the upper half of the hash
  /// above the entry's index plus one.
  private var slots: [UInt64] = []

  var count: Int { entries.count }
  var names: [String] { entries.map(\.name) }

  /// The value of `name`; setting nil removes it (O(count)), setting a new name appends it.
  subscript(name: String) -> Value? {
    get { find(name).map { entries[$0].value } }
    set {
      switch (find(name), newValue) {
      case (let index?, let value?): entries[index].value = value
      case (let index?, nil):
        entries.remove(at: index)
        rebuild()
      case (nil, let value?): _ = append(name, value)
      case (nil, nil): break
      }
    }
  }

  /// Adds a name at the end; false, and no change, when it is there already.
  mutating func append(_ name: String, _ value: Value) -> Bool {
    if slots.isEmpty {
      guard find(name) == nil else { return false }
      entries.append(Entry(name: name, value: value))
      if entries.count > Self.smallCount { rebuild() }
      return true
    }
    let hash = nameHash(name)
    var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
    while slots[slot] != 0 {
      if isEntry(slots[slot], name, hash) { return false }
      slot = (slot + 1) & (slots.count - 1)
    }
    entries.append(Entry(name: name, value: value))
    slots[slot] = slotMark(hash, index: entries.count - 1)
    if entries.count * 2 > slots.count { rebuild() }
    return true
  }

  private func find(_ name: String) -> Int? {
    if slots.isEmpty { return entries.firstIndex { hasSameBytes($0.name, name) } }
    let hash = nameHash(name)
    var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
    while slots[slot] != 0 {
      if isEntry(slots[slot], name, hash) { return slotIndex(slots[slot]) }
      slot = (slot + 1) & (slots.count - 1)
    }
    return nil
  }

  private func isEntry(_ mark: UInt64, _ name: String, _ hash: UInt64) -> Bool {
    mark >> 32 == hash >> 32 && hasSameBytes(entries[slotIndex(mark)].name, name)
  }

  private mutating func rebuild() {
    guard entries.count > Self.smallCount else {
      slots = []
      return
    }
    var size = 32
    while size < entries.count * 4 { size *= 2 }
    slots = [UInt64](repeating: 0, count: size)
    for (index, entry) in entries.enumerated() {
      let hash = nameHash(entry.name)
      var slot = Int(truncatingIfNeeded: hash) & (size - 1)
      while slots[slot] != 0 { slot = (slot + 1) & (size - 1) }
      slots[slot] = slotMark(hash, index: index)
    }
  }
}

private func slotMark(_ hash: UInt64, index: Int) -> UInt64 {
  (hash >> 32) << 32 | UInt64(truncatingIfNeeded: index + 1) & 0xFFFF_FFFF
}

private func slotIndex(_ mark: UInt64) -> Int { Int(mark & 0xFFFF_FFFF) - 1 }

private func nameHash(_ name: String) -> UInt64 {
  var name = name
  var hasher = Hasher()
  name.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
  return UInt64(bitPattern: Int64(hasher.finalize()))
}

/// Whether two strings are the same bytes: `==` would call canonically equivalent ones equal, and
/// vocabularies hold both.
func hasSameBytes(_ left: String, _ right: String) -> Bool {
  let (a, b) = (left.utf8, right.utf8)
  return a.count == b.count && a.elementsEqual(b)
}
