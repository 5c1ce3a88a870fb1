/// The memory behind tensors: a pooled buffer, or foreign memory (a mapped file) kept alive.
///
/// `@unchecked Sendable`: the bytes are written only through `Tensor`'s mutating methods, which
/// copy first unless the storage is uniquely referenced and owned. So no two threads can reach one
/// storage while one of them writes.
@usableFromInline
package final class TensorStorage: @unchecked Sendable {
  @usableFromInline package let pointer: UnsafeMutableRawPointer
  package let byteCount: Int
  /// What keeps foreign memory alive; nil for a pooled buffer.
  package let owner: (any AnyObject & Sendable)?

  package init(byteCount: Int) {
    self.byteCount = byteCount
    pointer = MemoryPool.take(byteCount: byteCount)
    owner = nil
  }

  package init(
    viewing pointer: UnsafeRawPointer,
    byteCount: Int,
    owner: any AnyObject & Sendable
  ) {
    self.pointer = UnsafeMutableRawPointer(mutating: pointer)
    self.byteCount = byteCount
    self.owner = owner
  }

  deinit {
    if owner == nil { MemoryPool.giveBack(pointer, byteCount: byteCount) }
  }
}
