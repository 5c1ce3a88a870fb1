import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A piece of memory for weights that are made once and then only read.
///
/// Matrices of a model lie one behind the other on huge pages: a product streams its matrix, and each
/// new page costs a walk through the tables and stops the processor's prefetching. A block goes back
/// to the system when the last tensor in it is gone.
///
/// `@unchecked Sendable`: a slice is written only by who took it, before a tensor views it.
final class WeightBlock: @unchecked Sendable {
  private static let size = 32 << 20
  private static let alignment = 64
  private static let current = Mutex(Current())

  private struct Current {
    weak var block: WeightBlock?

    /// The next bytes of the block at hand, or of a new one.
    mutating func take(_ byteCount: Int) -> (block: WeightBlock, offset: Int) {
      let size = (byteCount + alignment - 1) / alignment * alignment
      if let block, block.used + size <= block.byteCount {
        defer { block.used += size }
        return (block, block.used)
      }
      let page = MemoryPool.hugePage
      let new = WeightBlock(byteCount: max((size + page - 1) / page * page, WeightBlock.size))
      new.used = size
      block = new
      return (new, 0)
    }
  }

  private let start: UnsafeMutableRawPointer
  private let byteCount: Int
  private var used = 0

  private init(byteCount: Int) {
    self.byteCount = byteCount
    start = MemoryPool.mapped(byteCount)
  }

  deinit { munmap(start, byteCount) }

  /// A tensor of bytes that `fill` writes.
  static func tensor(
    byteCount: Int,
    fill: (UnsafeMutablePointer<UInt8>) -> Void
  ) -> Tensor<UInt8> {
    let (block, offset) = current.withLock { $0.take(byteCount) }
    let pointer = (block.start + offset).assumingMemoryBound(to: UInt8.self)
    fill(pointer)
    return Tensor(viewing: UnsafePointer(pointer), shape: [byteCount], owner: block)
  }
}
