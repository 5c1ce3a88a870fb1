import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Reuses tensor buffers, because the first touch of a fresh page costs more than most kernels.
///
/// Buffers come in size classes, four to each power of two, aligned to 64 bytes (2 MiB from 2 MiB
/// up, where huge pages are asked for). A released buffer waits in its class for the next request.
/// When more waits than is in use (and more than 512 MiB), those of the classes that
/// were idle longest go back to the system. `trim()` gives all of them back.
/// Tensors of at most 512 bytes carry their elements themselves and are not counted here.
public enum MemoryPool {
  /// Bytes handed out now, bytes handed out at most, and bytes that wait for reuse.
  public struct Statistics: Hashable, Sendable, Codable {
    /// Bytes in buffers that live tensors own.
    public var bytesInUse = 0
    /// The largest value of `bytesInUse` since the start or the last `resetPeak()`.
    public var peakBytesInUse = 0
    /// Bytes in buffers that wait for reuse.
    public var bytesWaiting = 0
  }

  private struct State {
    var statistics = Statistics()
    /// The addresses of the waiting buffers by number of the size class.
    var waiting: [[UInt]] = Array(repeating: [], count: 4 * Int.bitWidth)
    /// When each class was last asked for or released to, by the count of such calls.
    var lastUse = Array(repeating: 0, count: 4 * Int.bitWidth)
    var useCount = 0

    /// How much may wait, where a program has said so.
    var wantedLimit: Int?
    /// How much may wait.
    var waitingLimit: Int {
      wantedLimit ?? max(MemoryPool.waitingFloor, statistics.bytesInUse)
    }

    mutating func use(_ number: Int) {
      useCount += 1
      lastUse[number] = useCount
    }

    /// Takes a buffer of the class out that has been idle longest.
    mutating func removeIdle() -> (address: UInt, number: Int)? {
      let idle = waiting.indices.filter { !waiting[$0].isEmpty }.min { lastUse[$0] < lastUse[$1] }
      guard let idle, let address = waiting[idle].popLast() else { return nil }
      statistics.bytesWaiting -= MemoryPool.size(ofClass: idle)
      return (address, idle)
    }
  }

  private static let state = Mutex(State())

  /// The counters of this moment.
  public static var statistics: Statistics { state.withLock { $0.statistics } }

  /// How many bytes may wait; nil for as many as are in use, and 512 MiB at least.
  ///
  /// For programs that must say what they take. Holds from the next buffer on that is released.
  package static var waitingLimit: Int? {
    get { state.withLock { $0.wantedLimit } }
    set { state.withLock { $0.wantedLimit = newValue } }
  }

  /// So many bytes may wait, however few are in use.
  static let waitingFloor = 512 << 20

  /// Starts a new peak measurement at the bytes in use now.
  public static func resetPeak() {
    state.withLock { $0.statistics.peakBytesInUse = $0.statistics.bytesInUse }
  }

  /// Gives every waiting buffer back to the system.
  public static func trim() {
    state.withLock { state in
      for number in state.waiting.indices {
        for address in state.waiting[number] { release(address, ofClass: number) }
        state.waiting[number].removeAll()
      }
      state.statistics.bytesWaiting = 0
    }
  }

  static let hugePage = 2 << 20

  /// The size class that holds `byteCount`: powers of two with four steps between.
  static func sizeClass(for byteCount: Int) -> Int {
    guard byteCount > 64 else { return 64 }
    let power = 1 << (Int.bitWidth - 1 - (byteCount - 1).leadingZeroBitCount)
    let step = max(power / 4, 64)
    return (byteCount + step - 1) / step * step
  }

  /// The number of the class of that size: the power of two and the step above it.
  private static func number(ofClass size: Int) -> Int {
    let power = Int.bitWidth - 1 - size.leadingZeroBitCount
    return 4 * power + (size >> (power - 2)) & 3
  }

  /// The bytes of a buffer of that class.
  private static func size(ofClass number: Int) -> Int { (4 + number % 4) << (number / 4 - 2) }

  static func take(byteCount: Int) -> UnsafeMutableRawPointer {
    let size = sizeClass(for: byteCount)
    let number = number(ofClass: size)
    let reused = state.withLock { state -> UInt? in
      state.statistics.bytesInUse += size
      state.statistics.peakBytesInUse = max(
        state.statistics.peakBytesInUse,
        state.statistics.bytesInUse
      )
      state.use(number)
      guard let address = state.waiting[number].popLast() else { return nil }
      state.statistics.bytesWaiting -= size
      return address
    }
    return reused.flatMap(UnsafeMutableRawPointer.init(bitPattern:)) ?? allocate(size)
  }

  static func giveBack(_ pointer: UnsafeMutableRawPointer, byteCount: Int) {
    let size = sizeClass(for: byteCount)
    let number = number(ofClass: size)
    let address = UInt(bitPattern: pointer)
    let evicted = state.withLock { state -> [(address: UInt, number: Int)] in
      state.statistics.bytesInUse -= size
      state.statistics.bytesWaiting += size
      state.waiting[number].append(address)
      state.use(number)
      var evicted: [(address: UInt, number: Int)] = []
      while state.statistics.bytesWaiting > state.waitingLimit, let idle = state.removeIdle() {
        evicted.append(idle)
      }
      return evicted
    }
    for (address, number) in evicted { release(address, ofClass: number) }
  }

  private static func allocate(_ size: Int) -> UnsafeMutableRawPointer {
    if let pointer = size >= hugePage ? map(size) : aligned_alloc(64, size) { return pointer }
    fatalError("tensor: out of memory, \(size) bytes were asked for")
  }

  /// Memory of whole huge pages that is no buffer of the pool; the caller unmaps it.
  static func mapped(_ size: Int) -> UnsafeMutableRawPointer {
    if let pointer = map(size) { return pointer }
    fatalError("tensor: out of memory, \(size) bytes were asked for")
  }

  /// Large buffers are mappings of their own: malloc would keep what is freed below others.
  private static func map(_ size: Int) -> UnsafeMutableRawPointer? {
    let (access, kind) = (PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON)
    guard let mapping = mmap(nil, size + hugePage, access, kind, -1, 0), mapping != MAP_FAILED
    else { return nil }
    // The part that starts on a huge page stays.
    let excess = (hugePage - Int(bitPattern: mapping) % hugePage) % hugePage
    if excess > 0 { munmap(mapping, excess) }
    if excess < hugePage { munmap(mapping + excess + size, hugePage - excess) }
    #if os(Linux)
      madvise(mapping + excess, size, MADV_HUGEPAGE)
    #endif
    return mapping + excess
  }

  private static func release(_ address: UInt, ofClass number: Int) {
    let size = size(ofClass: number)
    let pointer = UnsafeMutableRawPointer(bitPattern: address)
    if size >= hugePage { munmap(pointer, size) } else { free(pointer) }
  }
}
