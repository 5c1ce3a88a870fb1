/// What stands in front of the numbers of an NPY file.
package struct NPYHeader {
  package private(set) var type = ""
  package private(set) var isColumnMajor = false
  package private(set) var extents: [Int] = []
  /// Where the numbers begin.
  package let end: Int

  /// The longest header that is read; NumPy's own are below 200 bytes for plain arrays.
  private static let mostBytes = 65_536

  package init(_ bytes: UnsafeRawBufferPointer, _ path: String) throws(CheckpointError) {
    guard bytes.count >= 10, bytes.starts(with: [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59]) else {
      throw .malformed(path, at: 0, "does not begin as an NPY file")
    }
    guard (1...3).contains(bytes[6]) else {
      throw .malformed(path, at: 6, "version \(bytes[6]) of the format, 1 to 3 are read")
    }
    let digits = bytes[6] == 1 ? 2 : 4
    guard bytes.count >= 8 + digits else { throw .malformed(path, at: 8, "ends inside the header") }
    let count = (0..<digits).reduce(0) { $0 | Int(bytes[8 + $1]) << (8 * $1) }
    guard count <= Self.mostBytes, bytes.count - 8 - digits >= count else {
      throw .malformed(path, at: 8, "a header of \(count) bytes, the file has \(bytes.count)")
    }
    end = 8 + digits + count
    var parser = NPYDictionary(bytes[8 + digits..<end].map { $0 }, path: path, start: 8 + digits)
    try parser.parse { (key, value) throws(CheckpointError) in
      switch (key, value) {
      case ("descr", .text(let text)): type = text
      case ("fortran_order", .truth(let truth)): isColumnMajor = truth
      case ("shape", .numbers(let numbers)): extents = numbers
      case ("descr", .numbers), ("descr", .truth):
        throw .unsupportedType(path: path, tensor: "elements", type: "NPY record")
      default: throw .malformed(path, at: 8, "an entry \(key) of the header is not understood")
      }
    }
    guard parser.keys == ["descr", "fortran_order", "shape"] else {
      throw .malformed(path, at: 8, "the header has \(parser.keys.sorted()), not type and shape")
    }
  }
}

/// A Python dictionary of texts, truth values and tuples of numbers.
private struct NPYDictionary {
  enum Value {
    case text(String)
    case truth(Bool)
    case numbers([Int])
  }

  private let bytes: [UInt8]
  private let path: String
  private let start: Int
  private var place = 0
  private(set) var keys: Set<String> = []

  init(_ bytes: [UInt8], path: String, start: Int) {
    self.bytes = bytes
    self.path = path
    self.start = start
  }

  mutating func parse(
    _ body: (String, Value) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    try expect("{")
    while !skips("}") {
      let key = try text()
      try expect(":")
      guard keys.insert(key).inserted else { throw fault("the entry \(key) appears twice") }
      try body(key, try value())
      if skips(",") { continue }
      try expect("}")
      break
    }
    skipSpaces()
    guard place == bytes.count else { throw fault("something follows the dictionary") }
  }

  private mutating func value() throws(CheckpointError) -> Value {
    if skips("True") { return .truth(true) }
    if skips("False") { return .truth(false) }
    if skips("(") { return .numbers(try numbers()) }
    if skips("[") { return .numbers([]) }
    return .text(try text())
  }

  private mutating func numbers() throws(CheckpointError) -> [Int] {
    var numbers: [Int] = []
    while !skips(")") {
      numbers.append(try number())
      if skips(",") { continue }
      try expect(")")
      break
    }
    return numbers
  }

  private mutating func number() throws(CheckpointError) -> Int {
    skipSpaces()
    let digits = bytes[place...].prefix { (0x30...0x39).contains($0) }
    guard let number = Int(String(decoding: digits, as: UTF8.self)) else {
      throw fault("a number is missing")
    }
    place += digits.count
    // Python 2 wrote long integers so.
    if place < bytes.count, bytes[place] == UInt8(ascii: "L") { place += 1 }
    return number
  }

  private mutating func text() throws(CheckpointError) -> String {
    skipSpaces()
    guard place < bytes.count, bytes[place] == 0x27 || bytes[place] == 0x22 else {
      throw fault("a text is missing")
    }
    let quote = bytes[place]
    let content = bytes[(place + 1)...].prefix { $0 != quote }
    guard content.endIndex < bytes.count else { throw fault("a text does not end") }
    place = content.endIndex + 1
    return String(decoding: content, as: UTF8.self)
  }

  private mutating func expect(_ mark: String) throws(CheckpointError) {
    guard skips(mark) else { throw fault("'\(mark)' is missing") }
  }

  private mutating func skips(_ mark: String) -> Bool {
    skipSpaces()
    guard bytes[place...].starts(with: mark.utf8) else { return false }
    place += mark.utf8.count
    return true
  }

  private mutating func skipSpaces() {
    while place < bytes.count, [0x20, 0x0A, 0x09].contains(bytes[place]) { place += 1 }
  }

  private func fault(_ reason: String) -> CheckpointError {
    .malformed(path, at: start + place, "header: \(reason)")
  }
}
