import Checkpoints

/// The header of a PLY file: elements one after another, each a list of records.
struct PLYHeader {
  /// How the records are stored.
  enum Storage: String {
    case ascii
    case littleEndian = "binary_little_endian"
    case bigEndian = "binary_big_endian"
  }

  /// A number, or a list of numbers behind its length.
  struct Property {
    var name: String
    var type: FieldType
    /// The type of the length; nil for a single number.
    var lengthType: FieldType?

    /// The bytes that it takes at least.
    var leastByteCount: Int { (lengthType ?? type).byteCount }
  }

  /// Records of one kind.
  struct Element {
    var name: String
    var count: Int
    var properties: [Property] = []

    /// Whether all records have the same number of bytes.
    var isRegular: Bool { properties.allSatisfy { $0.lengthType == nil } }
    /// The bytes that a record takes at least; all have so many if they are regular.
    var leastByteCount: Int { properties.reduce(0) { $0 + $1.leastByteCount } }
  }

  var storage = Storage.ascii
  var elements: [Element] = []
  /// The offset of the first byte behind the header, and its line.
  var dataOffset = 0
  var dataLine = 1

  init(_ file: MappedFile) throws(PointFileError) {
    var lines = HeaderLines(file.bytes)
    guard lines.next()?.split(separator: " ") == ["ply"] else {
      throw .malformed(path: file.path, place: .line(1), reason: "the first line is not 'ply'")
    }
    var hasFormat = false
    while let line = lines.next() {
      let words = line.split(separator: " ").map(String.init)
      if words == ["end_header"], hasFormat {
        (dataOffset, dataLine) = (lines.offset, lines.number + 1)
        return
      }
      guard let isFormat = read(words) else {
        let reason = "header line \(line.quotedForMessage) is not understood"
        throw .malformed(path: file.path, place: .line(lines.number), reason: reason)
      }
      hasFormat = hasFormat || isFormat
    }
    throw .malformed(
      path: file.path,
      place: .line(lines.number + 1),
      reason: hasFormat ? "the header has no end_header" : "the header has no format"
    )
  }

  /// Reads a line; returns whether it is the format, and nil when it is nothing known.
  private mutating func read(_ words: [String]) -> Bool? {
    switch words.first {
    case nil, "comment", "obj_info": return false
    case "format":
      guard words.count == 3, words[2] == "1.0", let known = Storage(rawValue: words[1]) else {
        return nil
      }
      storage = known
      return true
    case "element":
      guard words.count == 3, let count = Int(words[2]), count >= 0 else { return nil }
      elements.append(Element(name: words[1], count: count))
      return false
    case "property":
      guard let property = Property(words), !elements.isEmpty else { return nil }
      elements[elements.count - 1].properties.append(property)
      return false
    default: return nil
    }
  }
}

extension PLYHeader.Property {
  /// `property TYPE NAME` or `property list LENGTHTYPE TYPE NAME`.
  fileprivate init?(_ words: [String]) {
    if words.count == 5, words[1] == "list" {
      guard let length = FieldType(ply: words[2]), let type = FieldType(ply: words[3]) else {
        return nil
      }
      self.init(name: words[4], type: type, lengthType: length)
    } else {
      guard words.count == 3, let type = FieldType(ply: words[1]) else { return nil }
      self.init(name: words[2], type: type)
    }
  }
}

extension FieldType {
  fileprivate init?(ply name: String) {
    switch name {
    case "char", "int8": self = .int8
    case "uchar", "uint8": self = .uint8
    case "short", "int16": self = .int16
    case "ushort", "uint16": self = .uint16
    case "int", "int32": self = .int32
    case "uint", "uint32": self = .uint32
    case "int64": self = .int64
    case "uint64": self = .uint64
    case "float", "float32": self = .float32
    case "double", "float64": self = .float64
    default: return nil
    }
  }
}
