/// The decompositions and compositions of Unicode scalars.
///
/// Our own tables, because Foundation's normalization differs between platforms (on Linux it leaves
/// U+AC00 U+11A8 uncomposed) and is quadratic in long runs of marks. The data is that of the Unicode
/// Character Database, version 16.0.0 (Unicode License V3); scalars keep their mappings in all later
/// versions.
struct UnicodeMappings: Sendable {
  /// Canonical mappings and compositions.
  static let canonical = UnicodeMappings(canonicalText, base: nil)
  /// What compatibility mappings add: scalars that `canonical` lacks or maps otherwise.
  static let compatibility = UnicodeMappings(compatibilityText, base: canonical)

  /// (scalar, 0) → (place in `scalars`, length): the mapping applied until nothing changes.
  private var places: PairTable
  private var scalars: [UInt32] = []
  /// (first, second) → composite.
  private var composites: PairTable
  /// Scalars that composed text cannot hold, or that may compose with what precedes them.
  private var unstable: PairTable

  /// The full decomposition of a scalar, nil when it has none.
  func decomposition(of value: UInt32) -> ArraySlice<UInt32>? {
    guard let place = places.value(value, 0) else { return nil }
    return scalars[Int(place.first)..<Int(place.first + place.second)]
  }

  /// The scalar that two compose to.
  func composite(_ first: UInt32, _ second: UInt32) -> UInt32? {
    composites.value(first, second)?.first
  }

  /// Whether the scalar may change when its text is composed, its combining class aside.
  func isUnstable(_ value: UInt32) -> Bool { unstable.value(value, 0) != nil }

  // MARK: - Reading the tables

  private struct Record {
    var value: UInt32
    var mapping: [UInt32]
    var isExcluded: Bool
  }

  private init(_ text: String, base: UnicodeMappings?) {
    places = PairTable(minimumCapacity: 4_096)
    composites = PairTable(minimumCapacity: 1_024)
    unstable = PairTable(minimumCapacity: 2_048)
    let records = UnicodeMappings.records(text)
    let direct = Dictionary(
      records.map { ($0.value, $0.mapping) },
      uniquingKeysWith: { first, _ in first }
    )
    for record in records {
      store(record.value, UnicodeMappings.expanded(record.value, direct, base))
      if base == nil { addComposition(record) }
    }
    guard let base else { return }
    // A canonical mapping may lead to a compatibility mapping: U+1E9B → U+017F U+0307 → s U+0307.
    for record in UnicodeMappings.records(UnicodeMappings.canonicalText) {
      guard let full = base.decomposition(of: record.value) else { continue }
      let expanded = full.flatMap { UnicodeMappings.expanded($0, direct, base) }
      if !expanded.elementsEqual(full) { store(record.value, expanded) }
    }
  }

  private mutating func store(_ value: UInt32, _ mapping: [UInt32]) {
    let place = PairTable.Value(first: UInt32(scalars.count), second: UInt32(mapping.count))
    scalars += mapping
    places.set(value, 0, to: place)
  }

  private mutating func addComposition(_ record: Record) {
    let none = PairTable.Value(first: 0, second: 0)
    guard record.mapping.count == 2, !record.isExcluded else {
      unstable.set(record.value, 0, to: none)
      return
    }
    unstable.set(record.mapping[1], 0, to: none)
    composites.set(
      record.mapping[0],
      record.mapping[1],
      to: PairTable.Value(first: record.value, second: 0)
    )
  }

  private static func expanded(
    _ value: UInt32,
    _ direct: [UInt32: [UInt32]],
    _ base: UnicodeMappings?
  ) -> [UInt32] {
    if let mapping = direct[value] { return mapping.flatMap { expanded($0, direct, base) } }
    guard let full = base?.decomposition(of: value) else { return [value] }
    return full.flatMap { $0 == value ? [$0] : expanded($0, direct, base) }
  }

  /// Reads the text form that the tables' comments describe.
  private static func records(_ text: String) -> [Record] {
    var records: [Record] = []
    var value: UInt32 = 0
    for entry in text.utf8.split(whereSeparator: { $0 == 0x2C || $0 == 0x0A }) {
      let isExcluded = entry.first == 0x21
      let words = (isExcluded ? entry.dropFirst() : entry).split(separator: 0x20)
      let head = words[0].split(separator: 0x2A).map(hexadecimal)
      let mapping = words.dropFirst().map(hexadecimal)
      value += head[0]
      for step in 0..<(head.count > 1 ? head[1] : 1) {
        var shifted = mapping
        shifted[0] += step
        records.append(Record(value: value + step, mapping: shifted, isExcluded: isExcluded))
      }
    }
    return records
  }

  private static func hexadecimal(_ digits: Substring.UTF8View) -> UInt32 {
    digits.reduce(0) { $0 << 4 | UInt32($1 < 0x3A ? $1 - 0x30 : $1 - 0x57) }
  }
}
