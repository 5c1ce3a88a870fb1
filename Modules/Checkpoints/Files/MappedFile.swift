#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The bytes of a file, read-only: mapped into memory, or read into it.
///
/// Mapping costs nothing until a page is touched and shares pages between processes. But a mapped
/// file that shrinks while it is used ends the process with a bus error, whatever this code does:
/// read files that others may write with `.inMemory`.
///
/// `@unchecked Sendable`: the bytes are never written after `init`.
public final class MappedFile: @unchecked Sendable {
  /// How the bytes come into memory.
  public enum Mode: Sendable {
    /// Mapped: pages are read when they are touched.
    case mapped
    /// Read completely: for files that another process may change.
    case inMemory
  }

  /// How the pages will be used.
  public enum Access: Sendable {
    /// From front to back: read ahead.
    case sequential
    /// Here and there: do not read ahead.
    case random
    /// Soon: start reading now.
    case soon
    /// Not again soon: the pages may be dropped.
    case done
  }

  /// The path that was opened.
  public let path: String
  /// How the bytes came into memory.
  public let mode: Mode
  /// All bytes of the file; valid while this object lives.
  public let bytes: UnsafeRawBufferPointer

  /// Opens a regular file, which may be empty.
  ///
  /// - Throws: `CheckpointError.unreadable` when it is missing, a folder, not a regular file or not
  ///   permitted.
  public init(path: String, mode: Mode = .mapped) throws(CheckpointError) {
    self.path = path
    self.mode = mode
    do throws(FileProblem) {
      // Non-blocking, or opening a pipe would wait for a writer.
      let file = try FileHandleNumber(opening: path, O_RDONLY | O_NONBLOCK)
      let count = try file.regularByteCount()
      switch mode {
      case .mapped: bytes = try map(file, count)
      case .inMemory: bytes = try readAll(file, count)
      }
    } catch {
      throw .unreadable(path: path, error)
    }
  }

  deinit {
    guard let base = bytes.baseAddress else { return }
    switch mode {
    case .mapped: munmap(UnsafeMutableRawPointer(mutating: base), bytes.count)
    case .inMemory: free(UnsafeMutableRawPointer(mutating: base))
    }
  }

  /// Tells the system how `range` will be used (all bytes when nil); a hint without effect on
  /// values.
  public func advise(_ access: Access, range: Range<Int>? = nil) {
    let range = (range ?? bytes.indices).clamped(to: bytes.indices)
    guard mode == .mapped, let base = bytes.baseAddress, !range.isEmpty else { return }
    let page = Int(getpagesize())
    let start = range.lowerBound / page * page
    let advice =
      switch access {
      case .sequential: MADV_SEQUENTIAL
      case .random: MADV_RANDOM
      case .soon: MADV_WILLNEED
      case .done: MADV_DONTNEED
      }
    madvise(UnsafeMutableRawPointer(mutating: base + start), range.upperBound - start, advice)
  }
}

private func map(
  _ file: borrowing FileHandleNumber,
  _ count: Int
) throws(FileProblem) -> UnsafeRawBufferPointer {
  guard count > 0 else { return UnsafeRawBufferPointer(start: nil, count: 0) }
  let address = mmap(nil, count, PROT_READ, MAP_PRIVATE, file.number, 0)
  guard let address, address != MAP_FAILED else { throw FileProblem(errno) }
  return UnsafeRawBufferPointer(start: address, count: count)
}

private func readAll(
  _ file: borrowing FileHandleNumber,
  _ count: Int
) throws(FileProblem) -> UnsafeRawBufferPointer {
  guard count > 0 else { return UnsafeRawBufferPointer(start: nil, count: 0) }
  var address: UnsafeMutableRawPointer?
  let failure = posix_memalign(&address, 64, count)
  guard failure == 0, let address else { throw FileProblem(failure) }
  do throws(FileProblem) {
    try file.read(into: UnsafeMutableRawBufferPointer(start: address, count: count))
  } catch {
    free(address)
    throw error
  }
  return UnsafeRawBufferPointer(start: address, count: count)
}
