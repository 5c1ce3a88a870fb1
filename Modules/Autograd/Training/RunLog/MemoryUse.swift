import Tensor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The memory of the process at a moment.
public struct MemoryUse: Hashable, Sendable, Codable {
  /// Bytes in buffers that live tensors own.
  public var tensorBytes: Int
  /// The largest value of `tensorBytes` so far; see `MemoryPool.resetPeak()`.
  public var peakTensorBytes: Int
  /// Bytes of the process in physical memory, pages of mapped files among them; nil where the
  /// system does not tell.
  public var residentBytes: Int?

  /// Memory that was measured.
  public init(tensorBytes: Int, peakTensorBytes: Int, residentBytes: Int? = nil) {
    self.tensorBytes = tensorBytes
    self.peakTensorBytes = peakTensorBytes
    self.residentBytes = residentBytes
  }

  /// The memory now; takes some ten microseconds.
  public static func now() -> MemoryUse {
    let pool = MemoryPool.statistics
    return MemoryUse(
      tensorBytes: pool.bytesInUse,
      peakTensorBytes: pool.peakBytesInUse,
      residentBytes: residentBytesNow()
    )
  }
}

#if canImport(Darwin)
  private func residentBytesNow() -> Int? {
    var information = mach_task_basic_info()
    var count = mach_msg_type_number_t(
      MemoryLayout<mach_task_basic_info>.size / MemoryLayout<natural_t>.size
    )
    let status = withUnsafeMutablePointer(to: &information) { pointer in
      pointer.withMemoryRebound(to: integer_t.self, capacity: Int(count)) {
        task_info(mach_task_self_, task_flavor_t(MACH_TASK_BASIC_INFO), $0, &count)
      }
    }
    return status == KERN_SUCCESS ? Int(information.resident_size) : nil
  }
#else
  private func residentBytesNow() -> Int? {
    // Sizes in pages: all, resident, …
    let file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    let text = withUnsafeTemporaryAllocation(byteCount: 256, alignment: 1) { buffer in
      let count = read(file, buffer.baseAddress, buffer.count)
      return String(decoding: UnsafeRawBufferPointer(buffer).prefix(max(count, 0)), as: UTF8.self)
    }
    let fields = text.split(separator: " ")
    guard fields.count > 1, let pages = Int(fields[1]) else { return nil }
    return pages * Int(getpagesize())
  }
#endif
