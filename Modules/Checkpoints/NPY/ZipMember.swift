import Tensor

/// A file in a ZIP archive, stored or deflated.
///
///     members, each behind a header of its own | directory | end: where the directory lies
///
/// - Source: PKWARE, APPNOTE.TXT 6.3.10, sections 4.3.7, 4.3.12 and 4.3.16.
struct ZipMember: Sendable {
  let name: String
  private let method: UInt16
  private let checksum: UInt32
  private let packedByteCount: Int
  private let byteCount: Int
  private let headerOffset: Int

  /// The most members that are read.
  private static let limit = 4096
  private static let endByteCount = 22
  private static let entryByteCount = 46
  private static let headerByteCount = 30

  /// The members that the directory of an archive lists.
  static func all(
    in bytes: UnsafeRawBufferPointer,
    _ path: String
  ) throws(CheckpointError) -> [ZipMember] {
    let end = try directoryEnd(bytes, path)
    let count = Int(half(bytes, end + 10))
    var place = Int(word(bytes, end + 16))
    guard count <= limit else {
      throw .malformed(path, at: end, "an archive of \(count) members, at most \(limit) are read")
    }
    guard word(bytes, end + 12) < .max, place < Int(UInt32.max) else {
      throw .unsupportedType(path: path, tensor: "archive", type: "ZIP64")
    }
    var members: [ZipMember] = []
    for _ in 0..<count {
      guard place <= end - entryByteCount, word(bytes, place) == 0x0201_4B50 else {
        throw .malformed(path, at: place, "the archive's directory is damaged")
      }
      let nameEnd = place + entryByteCount + Int(half(bytes, place + 28))
      guard nameEnd <= end else {
        throw .malformed(path, at: place, "the archive's directory is cut off")
      }
      members.append(try ZipMember(bytes, entry: place, nameEnd: nameEnd, path))
      place = nameEnd + Int(half(bytes, place + 30)) + Int(half(bytes, place + 32))
    }
    return members
  }

  /// Where the end of the directory begins: the last place that can be one, as a comment follows.
  private static func directoryEnd(
    _ bytes: UnsafeRawBufferPointer,
    _ path: String
  ) throws(CheckpointError) -> Int {
    let last = bytes.count - endByteCount
    guard last >= 0, bytes.starts(with: "PK".utf8) else {
      throw .malformed(path, at: 0, "does not begin as a ZIP archive")
    }
    let first = max(0, last - Int(UInt16.max))
    for place in stride(from: last, through: first, by: -1)
    where word(bytes, place) == 0x0605_4B50 && Int(half(bytes, place + 20)) == last - place {
      return place
    }
    throw .malformed(path, at: last, "the archive has no directory: it is cut off")
  }

  private init(
    _ bytes: UnsafeRawBufferPointer,
    entry: Int,
    nameEnd: Int,
    _ path: String
  ) throws(CheckpointError) {
    let name = bytes[(entry + Self.entryByteCount)..<nameEnd]
    self.name = String(decoding: name, as: UTF8.self)
    method = half(bytes, entry + 10)
    checksum = word(bytes, entry + 16)
    let sizes = (word(bytes, entry + 20), word(bytes, entry + 24), word(bytes, entry + 42))
    guard sizes.0 < .max, sizes.1 < .max, sizes.2 < .max else {
      throw .unsupportedType(path: path, tensor: self.name, type: "ZIP64")
    }
    (packedByteCount, byteCount, headerOffset) = (Int(sizes.0), Int(sizes.1), Int(sizes.2))
    guard half(bytes, entry + 8) & 1 == 0 else {
      throw .unsupportedType(path: path, tensor: self.name, type: "encrypted ZIP")
    }
    guard method == 0 || method == 8 else {
      throw .unsupportedType(path: path, tensor: self.name, type: "ZIP method \(method)")
    }
    // Deflate makes at most 1032 bytes of one.
    guard method == 0 ? byteCount == packedByteCount : byteCount <= 1032 * (packedByteCount + 1)
    else {
      let reason = "\(packedByteCount) bytes of an archive cannot hold \(byteCount)"
      throw .malformed(path: path, tensor: self.name, offset: entry, reason: reason)
    }
  }

  /// What the member holds.
  func content(
    in bytes: UnsafeRawBufferPointer,
    _ path: String
  ) throws(CheckpointError) -> Tensor<UInt8> {
    func damage(_ place: Int, _ reason: String) -> CheckpointError {
      .malformed(path: path, tensor: name, offset: place, reason: reason)
    }
    guard headerOffset <= bytes.count - Self.headerByteCount,
      word(bytes, headerOffset) == 0x0403_4B50
    else { throw damage(headerOffset, "the archive has no member there") }
    let names = Int(half(bytes, headerOffset + 26)) + Int(half(bytes, headerOffset + 28))
    let start = headerOffset + Self.headerByteCount + names
    guard start <= bytes.count, packedByteCount <= bytes.count - start else {
      throw damage(start, "the archive is cut off")
    }
    let packed = UnsafeRawBufferPointer(rebasing: bytes[start..<start + packedByteCount])
    var reason: String?
    let content = Tensor<UInt8>(uninitialized: [byteCount]) { output in
      output.initialize(repeating: 0)
      reason = unpack(packed, to: output)
    }
    if let reason { throw damage(start, reason) }
    return content
  }

  /// Unpacks the member; returns what is wrong if something is.
  private func unpack(
    _ packed: UnsafeRawBufferPointer,
    to output: UnsafeMutableBufferPointer<UInt8>
  ) -> String? {
    if method == 0 {
      UnsafeMutableRawBufferPointer(output).copyMemory(from: packed)
    } else {
      var decoder = DeflateDecoder(input: packed, output: output)
      do throws(DeflateDecoder.Damage) { try decoder.run() } catch { return error.reason }
    }
    let found = Gzip.crc32(UnsafeRawBufferPointer(output))
    return found == checksum ? nil : "the checksum of the archive does not match"
  }
}

private func half(_ bytes: UnsafeRawBufferPointer, _ place: Int) -> UInt16 {
  UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt16.self))
}

private func word(_ bytes: UnsafeRawBufferPointer, _ place: Int) -> UInt32 {
  UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt32.self))
}
