import Checkpoints

/// The header of a PCD file: what a point consists of, and how the points follow.
struct PCDHeader {
  /// How the points are stored.
  enum Storage: String {
    /// A line of text for each point.
    case ascii
    /// Records, not aligned.
    case binary
    /// Field by field, compressed with LZF.
    case compressed = "binary_compressed"
  }

  /// A named field of one or more numbers; `_` is padding.
  struct Field {
    var name: String
    var type = FieldType.float32
    var count = 1

    /// The bytes of the field in a record.
    var byteCount: Int { type.byteCount * count }
  }

  var fields: [Field] = []
  var pointCount = 0
  var storage = Storage.ascii
  /// The offset of the first byte behind the header, and its line.
  var dataOffset = 0
  var dataLine = 1

  /// The bytes of a record.
  var recordByteCount: Int { fields.reduce(0) { $0 + $1.byteCount } }

  /// No field has more numbers than this; so sums over a header cannot overflow.
  private static let largestCount = 1 << 24

  /// Reads the header; VERSION, VIEWPOINT, COUNT and POINTS may be missing.
  init(_ file: MappedFile) throws(PointFileError) {
    var lines = HeaderLines(file.bytes)
    var entries: [String: [String]] = [:]
    while entries["DATA"] == nil {
      guard let line = lines.next() else {
        throw .malformed(path: file.path, place: .line(lines.number + 1), reason: noEnd)
      }
      if line.isEmpty || line.hasPrefix("#") { continue }
      let words = line.split(separator: " ").map(String.init)
      entries[words[0].uppercased()] = Array(words.dropFirst())
    }
    (dataOffset, dataLine) = (lines.offset, lines.number + 1)
    do throws(HeaderFault) {
      try read(entries)
    } catch {
      throw .malformed(path: file.path, place: nil, reason: "header: " + error.reason)
    }
  }

  private mutating func read(_ entries: [String: [String]]) throws(HeaderFault) {
    let word = entries["DATA"]?.first ?? ""
    guard let storage = Storage(rawValue: word.lowercased()) else {
      throw HeaderFault(
        "DATA \(word.quotedForMessage), expected ascii, binary or binary_compressed"
      )
    }
    self.storage = storage
    guard let names = entries["FIELDS"] ?? entries["COLUMNS"], !names.isEmpty else {
      throw HeaderFault("no FIELDS")
    }
    let sizes = try values(entries["SIZE"], "SIZE", names.count)
    let types = try values(entries["TYPE"], "TYPE", names.count)
    let counts = try entries["COUNT"].map { (words) throws(HeaderFault) in
      try values(words, "COUNT", names.count)
    }
    for (index, name) in names.enumerated() {
      guard let type = FieldType(pcdType: types[index], size: sizes[index]) else {
        throw HeaderFault("field \(name): TYPE \(types[index]) of SIZE \(sizes[index]) is unknown")
      }
      let count = counts.map { Int($0[index]) } ?? 1
      guard let count, (1...Self.largestCount).contains(count) else {
        throw HeaderFault("field \(name): COUNT \(counts?[index] ?? "") is not in 1 … 2^24")
      }
      fields.append(Field(name: name, type: type, count: count))
    }
    pointCount = try points(entries)
  }

  private func values(
    _ words: [String]?,
    _ key: String,
    _ count: Int
  ) throws(HeaderFault) -> [String] {
    guard let words else { throw HeaderFault("no \(key)") }
    if words.count == count { return words }
    throw HeaderFault("\(key) has \(words.count) entries for \(count) fields")
  }

  /// POINTS, or WIDTH times HEIGHT; equal where both are given.
  private func points(_ entries: [String: [String]]) throws(HeaderFault) -> Int {
    func number(_ key: String) throws(HeaderFault) -> Int? {
      guard let words = entries[key] else { return nil }
      guard words.count == 1, let value = Int(words[0]), value >= 0 else {
        throw HeaderFault("\(key) is no number")
      }
      return value
    }
    let points = try number("POINTS")
    let height = try number("HEIGHT")
    guard let width = try number("WIDTH") else {
      guard let points else { throw HeaderFault("neither POINTS nor WIDTH") }
      return points
    }
    let (product, overflows) = width.multipliedReportingOverflow(by: height ?? 1)
    guard !overflows, points == nil || points == product else {
      throw HeaderFault("WIDTH \(width) times HEIGHT \(height ?? 1) is not POINTS \(points ?? 0)")
    }
    return product
  }
}

/// What is wrong with a header.
private struct HeaderFault: Error {
  let reason: String
  init(_ reason: String) { self.reason = reason }
}

private let noEnd = "the header has no DATA line"

extension FieldType {
  /// The type of PCD's TYPE letter and SIZE.
  fileprivate init?(pcdType: String, size: String) {
    switch (pcdType.uppercased(), size) {
    case ("I", "1"): self = .int8
    case ("U", "1"): self = .uint8
    case ("I", "2"): self = .int16
    case ("U", "2"): self = .uint16
    case ("I", "4"): self = .int32
    case ("U", "4"): self = .uint32
    case ("I", "8"): self = .int64
    case ("U", "8"): self = .uint64
    case ("F", "4"): self = .float32
    case ("F", "8"): self = .float64
    default: return nil
    }
  }
}
