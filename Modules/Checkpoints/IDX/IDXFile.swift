public import Tensor

/// Arrays of bytes in the IDX format, as MNIST and its relatives are distributed; gzip-compressed or
/// not.
///
///     00 00 08 rank | rank big-endian extents of 4 bytes | the elements, last axis fastest
///
/// - Source: LeCun, Cortes and Burges, "The MNIST database", section "File formats".
public enum IDXFile {
  /// The most elements that are read; a header that asks for more is taken for damage.
  private static let mostElements = 1 << 31

  /// The bytes of a file, in the shape that it says.
  ///
  /// - Parameters:
  ///   - path: an IDX file of unsigned bytes; compressed by gzip if it begins as such.
  ///   - count: only so many of the first entries of the first axis, as far as there are; nil takes
  ///     all.
  /// - Returns: the array.
  /// - Throws: `CheckpointError` if it cannot be read, holds other numbers than bytes, or is cut off.
  public static func bytes(
    path: String,
    first count: Int? = nil
  ) throws(CheckpointError) -> Tensor<UInt8> {
    let file = try MappedFile(path: path, mode: .inMemory)
    guard Gzip.isCompressed(file.bytes) else { return try parse(file.bytes, path, count) }
    let content = try Gzip.decompress(file.bytes, path: path)
    return try content.withUnsafeElements { content throws(CheckpointError) in
      try parse(UnsafeRawBufferPointer(content), path, count)
    }
  }

  private static func parse(
    _ bytes: UnsafeRawBufferPointer,
    _ path: String,
    _ limit: Int?
  ) throws(CheckpointError) -> Tensor<UInt8> {
    guard bytes.count >= 4, bytes[0] == 0, bytes[1] == 0 else {
      throw .malformed(path, at: 0, "does not begin as an IDX file")
    }
    guard bytes[2] == 0x08 else {
      let code = String(bytes[2], radix: 16)
      throw .unsupportedType(path: path, tensor: "elements", type: "IDX 0x\(code)")
    }
    let rank = Int(bytes[3])
    let start = 4 + 4 * rank
    guard bytes.count >= start else {
      throw .malformed(path, at: bytes.count, "ends inside the \(rank) extents")
    }
    var extents = (0..<rank).map { axis in
      (0..<4).reduce(0) { $0 << 8 | Int(bytes[4 + 4 * axis + $1]) }
    }
    var count = 1
    for extent in extents {
      let (product, overflow) = count.multipliedReportingOverflow(by: extent)
      guard !overflow, product <= mostElements else {
        throw .malformed(path, at: 4, "extents \(extents) are too large")
      }
      count = product
    }
    guard bytes.count - start == count else {
      let found = bytes.count - start
      throw .malformed(path, at: start, "\(found) elements, its extents \(extents) need \(count)")
    }
    if let limit, let all = extents.first, limit < all {
      extents[0] = max(limit, 0)
      count = count / all * extents[0]
    }
    let content = UnsafeRawBufferPointer(rebasing: bytes[start..<start + count])
    return Tensor(uninitialized: Shape(extents)) { target in
      UnsafeMutableRawBufferPointer(target).copyMemory(from: content)
    }
  }
}
