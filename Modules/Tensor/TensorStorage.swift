/// The memory behind tensors: a pooled buffer, or foreign memory (a mapped file) kept alive.
///
/// A small tensor's elements lie in the object itself: one allocation, no lock.
///
/// `@unchecked Sendable`: the bytes are written only through `Tensor`'s mutating methods, which
/// copy first unless the storage is uniquely referenced and owned. So no two threads can reach one
/// storage while one of them writes.
package struct TensorStorage: @unchecked Sendable {
  private var buffer: Buffer

  private final class Buffer: ManagedBuffer<Header, UInt64> {
    deinit {
      if header.isPooled { MemoryPool.giveBack(header.pointer, byteCount: header.byteCount) }
    }
  }

  private struct Header {
    let pointer: UnsafeMutableRawPointer
    let byteCount: Int
    /// What keeps foreign memory alive.
    var owner: (any AnyObject & Sendable)?
    var isPooled = false
  }

  package var pointer: UnsafeMutableRawPointer { buffer.header.pointer }
  package var byteCount: Int { buffer.header.byteCount }

  /// Up to here the object holds its elements itself.
  static let inlineByteLimit = 512

  /// Memory for `byteCount` bytes, aligned to 64 bytes.
  package init(byteCount: Int) {
    if byteCount <= TensorStorage.inlineByteLimit {
      // 56 bytes of room to move the start to a multiple of 64; objects are aligned to 8 at least.
      self.init(capacity: (byteCount + 7) / 8 + 7) { elements in
        let start = UInt(bitPattern: elements)
        let offset = Int((start + 63) & ~63 - start)
        return Header(pointer: UnsafeMutableRawPointer(elements) + offset, byteCount: byteCount)
      }
    } else {
      self.init(capacity: 0) { _ in
        Header(pointer: MemoryPool.take(byteCount: byteCount), byteCount: byteCount, isPooled: true)
      }
    }
  }

  /// Foreign memory that `owner` keeps alive.
  package init(
    viewing pointer: UnsafeRawPointer,
    byteCount: Int,
    owner: any AnyObject & Sendable
  ) {
    let pointer = UnsafeMutableRawPointer(mutating: pointer)
    self.init(capacity: 0) { _ in Header(pointer: pointer, byteCount: byteCount, owner: owner) }
  }

  private init(capacity: Int, makingHeader: (UnsafeMutablePointer<UInt64>) -> Header) {
    let buffer = Buffer.create(minimumCapacity: capacity) { buffer in
      buffer.withUnsafeMutablePointerToElements(makingHeader)
    }
    self.buffer = unsafeDowncast(buffer, to: Buffer.self)
  }

  /// Whether the bytes may be written: owned, and by this reference alone.
  package mutating func isWritable() -> Bool {
    isKnownUniquelyReferenced(&buffer) && buffer.header.owner == nil
  }
}
