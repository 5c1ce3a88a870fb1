#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// An open file of the system, closed when the value ends.
struct FileHandleNumber: ~Copyable {
  let number: Int32

  init(opening path: String, _ flags: Int32, permissions: mode_t = 0o666) throws(FileProblem) {
    var result: Int32
    repeat {
      result = open(path, flags | O_CLOEXEC, permissions)
    } while result < 0 && errno == EINTR
    guard result >= 0 else { throw FileProblem(errno) }
    number = result
  }

  deinit { close(number) }

  /// Closes the file and reports what a network file system only says now.
  consuming func closeChecked() throws(FileProblem) {
    let result = close(number)
    let code = errno
    discard self
    // After EINTR the descriptor is closed all the same on Linux and Apple systems.
    guard result == 0 || code == EINTR else { throw FileProblem(code) }
  }

  /// The size of the file, which must be a regular one.
  func regularByteCount() throws(FileProblem) -> Int {
    var status = stat()
    guard fstat(number, &status) == 0 else { throw FileProblem(errno) }
    switch status.st_mode & S_IFMT {
    case S_IFREG: return Int(status.st_size)
    case S_IFDIR: throw .isFolder
    default: throw .isNotRegular
    }
  }

  /// Fills `buffer` from the start of the file.
  func read(into buffer: UnsafeMutableRawBufferPointer) throws(FileProblem) {
    var done = 0
    while done < buffer.count, let base = buffer.baseAddress {
      // At most 1 GiB at once: some systems refuse more than 2 GiB.
      let count = pread(number, base + done, min(buffer.count - done, 1 << 30), off_t(done))
      if count < 0 {
        if errno == EINTR { continue }
        throw FileProblem(errno)
      }
      if count == 0 { throw .changed }
      done += count
    }
  }

  /// Writes all of `bytes` at `offset`.
  func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileProblem) {
    var done = 0
    while done < bytes.count, let base = bytes.baseAddress {
      let count = pwrite(
        number,
        base + done,
        min(bytes.count - done, 1 << 30),
        off_t(offset + done)
      )
      if count < 0 {
        if errno == EINTR { continue }
        throw FileProblem(errno)
      }
      done += count
    }
  }

  func synchronize() throws(FileProblem) {
    while fsync(number) != 0 {
      if errno != EINTR { throw FileProblem(errno) }
    }
  }
}

extension FileProblem {
  /// The problem behind an error number.
  init(_ code: Int32) {
    switch code {
    case ENOENT, ENOTDIR: self = .missing
    case EISDIR: self = .isFolder
    case EACCES, EPERM, EROFS: self = .notPermitted
    case ENOSPC, EDQUOT, EFBIG: self = .noSpace
    default: self = .system(code: code, text: String(cString: strerror(code)))
    }
  }
}
