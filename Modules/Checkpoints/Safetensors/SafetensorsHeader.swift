/// The JSON of a safetensors header, read without building a tree: a hostile header of 100 MB is
/// refused at its first wrong byte and costs no more than its own tensors.
struct SafetensorsHeader {
  struct Record {
    var type = ""
    var extents: [Int64] = []
    var begin: Int64 = 0
    var end: Int64 = 0
    /// Where the name stands, in bytes from the start of the header.
    var place = 0
  }

  static let maximumTensorCount = 1_000_000
  static let maximumRank = 64

  private(set) var records = NameTable<Record>()
  private(set) var metadata: [String: String] = [:]
  private var scanner: JSONScanner

  /// Reads `count` bytes, at least one; the offsets in errors count from the first of them.
  init(_ base: UnsafePointer<UInt8>, count: Int) throws(JSONError) {
    scanner = JSONScanner(base, count: count)
    try scanner.require(0x7B, "'{'")
    var hasMetadata = false
    try members { (header, name, place) throws(JSONError) in
      if hasSameBytes(name, "__metadata__") {
        guard !hasMetadata else { throw header.duplicate(name, at: place) }
        hasMetadata = true
        try header.readMetadata()
      } else {
        try header.readRecord(name, at: place)
      }
    }
    try scanner.requireEnd(.spaces)
  }

  /// Reads the members of an object whose brace is consumed; `read` consumes each value.
  private mutating func members(
    _ read: (inout SafetensorsHeader, String, Int) throws(JSONError) -> Void
  ) throws(JSONError) {
    scanner.skipWhitespace()
    if scanner.skip(0x7D) { return }
    while true {
      let place = scanner.offset
      let name = try scanner.string()
      scanner.skipWhitespace()
      try scanner.require(0x3A, "':'")
      scanner.skipWhitespace()
      try read(&self, name, place)
      scanner.skipWhitespace()
      if scanner.skip(0x7D) { return }
      try scanner.require(0x2C, "',' or '}'")
      scanner.skipWhitespace()
    }
  }

  private mutating func readMetadata() throws(JSONError) {
    try scanner.require(0x7B, "an object of strings")
    var seen = NameTable<Bool>()
    try members { (header, name, place) throws(JSONError) in
      guard seen.append(name, true) else { throw header.duplicate(name, at: place) }
      header.metadata[name] = try header.scanner.string()
    }
  }

  private mutating func readRecord(_ name: String, at place: Int) throws(JSONError) {
    guard records.count < Self.maximumTensorCount else {
      throw scanner.failure(.tooManyValues(limit: Self.maximumTensorCount), at: place)
    }
    try scanner.require(0x7B, "an object with dtype, shape and data_offsets")
    var record = Record(place: place)
    var seen: Set<String> = []
    try members { (header, field, fieldPlace) throws(JSONError) in
      guard seen.insert(field).inserted else { throw header.duplicate(field, at: fieldPlace) }
      switch field {
      case "dtype": record.type = try header.scanner.string()
      case "shape": record.extents = try header.integers(atMost: Self.maximumRank)
      case "data_offsets":
        let offsets = try header.integers(atMost: 2)
        guard offsets.count == 2 else { throw header.scanner.unexpected("two offsets") }
        (record.begin, record.end) = (offsets[0], offsets[1])
      default:
        throw header.scanner.failure(
          .unexpectedByte(0x22, expected: "\"dtype\", \"shape\" or \"data_offsets\""),
          at: fieldPlace
        )
      }
    }
    guard seen.count == 3 else { throw missingField(seen, at: place) }
    guard records.append(name, record) else { throw duplicate(name, at: place) }
  }

  private mutating func integers(atMost limit: Int) throws(JSONError) -> [Int64] {
    try scanner.require(0x5B, "a list of integers")
    scanner.skipWhitespace()
    var values: [Int64] = []
    if scanner.skip(0x5D) { return values }
    while true {
      guard values.count < limit else { throw scanner.unexpected("at most \(limit) integers") }
      guard let byte = scanner.next, byte == 0x2D || (0x30...0x39).contains(byte) else {
        throw scanner.unexpected("an integer")
      }
      values.append(try scanner.integer())
      scanner.skipWhitespace()
      if scanner.skip(0x5D) { return values }
      try scanner.require(0x2C, "',' or ']'")
      scanner.skipWhitespace()
    }
  }

  private func duplicate(_ name: String, at place: Int) -> JSONError {
    scanner.failure(.duplicateKey(name), at: place)
  }

  private func missingField(_ seen: Set<String>, at place: Int) -> JSONError {
    let missing = ["dtype", "shape", "data_offsets"].filter { !seen.contains($0) }
    return scanner.failure(.missingKey(missing.first ?? ""), at: place)
  }
}
