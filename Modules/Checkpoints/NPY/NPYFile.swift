public import Tensor

/// Arrays of numbers in NumPy's format.
///
///     93 'NUMPY' major minor | length of the header | header | the elements
///
/// The header is a Python dictionary of the type, the order and the shape. Versions 1 to 3, both
/// byte orders and both orders of axes are read; objects and records are not.
///
/// - Source: NumPy, "NEP 1: A simple file format for NumPy arrays".
public struct NPYFile: Sendable {
  /// The file.
  public let path: String
  /// The extents, in row-major order whatever the file has.
  public let shape: Shape
  /// The type as NumPy writes it, such as `<f4`.
  public let type: String

  private let content: NPYContent
  private let start: Int
  private let kind: NPYKind
  private let isColumnMajor: Bool

  /// Opens a file and checks its header against its size.
  ///
  /// - Throws: `CheckpointError.unreadable`, `.malformed` or `.unsupportedType`.
  public init(path: String) throws(CheckpointError) {
    try self.init(.file(MappedFile(path: path, mode: .inMemory)), path: path)
  }

  /// The array in a content that was read from `path`.
  init(_ content: NPYContent, path: String) throws(CheckpointError) {
    let header = try content.withBytes { (bytes) throws(CheckpointError) in
      try NPYHeader(bytes, path)
    }
    guard let kind = NPYKind(header.type) else {
      throw .unsupportedType(path: path, tensor: "elements", type: "NPY \(header.type)")
    }
    guard header.extents.count <= Shape.maximumRank,
      let shape = Shape(validating: header.extents)
    else { throw .malformed(path, at: 10, "extents \(header.extents) are too large") }
    let (needed, overflow) = shape.count.multipliedReportingOverflow(by: kind.byteCount)
    let found = content.byteCount - header.end
    guard !overflow, needed == found else {
      let reason = "\(found) bytes of elements, \(shape) of \(header.type) needs \(needed)"
      throw .malformed(path, at: header.end, reason)
    }
    self.path = path
    self.content = content
    self.shape = shape
    self.kind = kind
    type = header.type
    start = header.end
    isColumnMajor = header.isColumnMajor && shape.rank > 1
  }

  /// The numbers as floats, rounded to nearest; truth values become 0 and 1.
  public func floats() -> Tensor<Float> {
    elements { kind, bytes in kind.float(bytes) }
  }

  /// The numbers as integers.
  ///
  /// - Throws: `CheckpointError.inconvertible` where one is no integer or does not fit.
  public func integers() throws(CheckpointError) -> Tensor<Int32> {
    var allFit = true
    let found: Tensor<Int32> = elements { kind, bytes in
      guard let value = kind.integer(bytes) else {
        allFit = false
        return 0
      }
      return value
    }
    guard allFit else {
      throw .inconvertible(path: path, name: "elements", from: type, to: "int32")
    }
    return found
  }

  /// Reads every element in row-major order.
  private func elements<Element: TensorElement>(
    _ read: (NPYKind, UnsafeRawBufferPointer) -> Element
  ) -> Tensor<Element> {
    let width = kind.byteCount
    let rank = shape.rank
    return Tensor(uninitialized: shape) { target in
      content.withBytes { content in
        var index = [Int](repeating: 0, count: rank)
        for place in target.indices {
          let source = isColumnMajor ? columnMajorPlace(index) : place
          let first = start + source * width
          let bytes = UnsafeRawBufferPointer(rebasing: content[first..<first + width])
          target[place] = read(kind, bytes)
          guard isColumnMajor else { continue }
          for axis in (0..<rank).reversed() {
            index[axis] += 1
            if index[axis] < shape[axis] { break }
            index[axis] = 0
          }
        }
      }
    }
  }

  private func columnMajorPlace(_ index: [Int]) -> Int {
    index.indices.reversed().reduce(0) { $0 * shape[$1] + index[$1] }
  }
}

/// The bytes of an array with its header: a file, or what an archive holds.
enum NPYContent: Sendable {
  case file(MappedFile)
  case member(Tensor<UInt8>)

  var byteCount: Int {
    switch self {
    case .file(let file): file.bytes.count
    case .member(let bytes): bytes.count
    }
  }

  func withBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    switch self {
    case .file(let file): return try body(file.bytes)
    case .member(let bytes):
      return try bytes.withUnsafeElements { (elements) throws(Failure) in
        try body(UnsafeRawBufferPointer(elements))
      }
    }
  }
}

/// How one number lies in a file.
private struct NPYKind: Sendable {
  private enum Number { case float, signed, unsigned, truth }

  private let number: Number
  private let isBigEndian: Bool
  let byteCount: Int

  init?(_ type: String) {
    let letters = Array(type.utf8)
    guard letters.count == 3, let width = Int(type.suffix(1)) else { return nil }
    let order = letters[0]
    guard [UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "|")].contains(order),
      order != UInt8(ascii: "|") || width == 1
    else { return nil }
    switch letters[1] {
    case UInt8(ascii: "f") where [2, 4, 8].contains(width): number = .float
    case UInt8(ascii: "i") where [1, 2, 4, 8].contains(width): number = .signed
    case UInt8(ascii: "u") where [1, 2, 4, 8].contains(width): number = .unsigned
    case UInt8(ascii: "b") where width == 1: number = .truth
    default: return nil
    }
    isBigEndian = order == UInt8(ascii: ">")
    byteCount = width
  }

  /// The bits, the least significant ones last.
  private func bits(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    var bits: UInt64 = 0
    for place in 0..<byteCount {
      bits = bits << 8 | UInt64(bytes[isBigEndian ? place : byteCount - 1 - place])
    }
    return bits
  }

  private func signed(_ bits: UInt64) -> Int64 {
    let shift = UInt64(64 - 8 * byteCount)
    return Int64(bitPattern: bits << shift) >> Int64(shift)
  }

  private func double(_ bits: UInt64) -> Double {
    switch byteCount {
    case 2: Double(Float(Float16(bitPattern: UInt16(truncatingIfNeeded: bits))))
    case 4: Double(Float(bitPattern: UInt32(truncatingIfNeeded: bits)))
    default: Double(bitPattern: bits)
    }
  }

  func float(_ bytes: UnsafeRawBufferPointer) -> Float {
    let bits = bits(bytes)
    switch number {
    case .float: return Float(double(bits))
    case .signed: return Float(signed(bits))
    case .unsigned: return Float(bits)
    case .truth: return bits == 0 ? 0 : 1
    }
  }

  func integer(_ bytes: UnsafeRawBufferPointer) -> Int32? {
    let bits = bits(bytes)
    switch number {
    case .float: return Int32(exactly: double(bits))
    case .signed: return Int32(exactly: signed(bits))
    case .unsigned: return Int32(exactly: bits)
    case .truth: return bits == 0 ? 0 : 1
    }
  }
}
