#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The lines of standard input, as they come; an interruption ends the wait for one.
public struct LineReader {
  private var pending: [UInt8] = []
  private var isAtEnd = false

  /// A reader at the start.
  public init() {}

  /// The next line without its line feed; nil at the end.
  ///
  /// - Throws: `CommandFailure` if the user interrupts or the input cannot be read or is not UTF-8.
  public mutating func next() throws(CommandFailure) -> String? {
    while true {
      if let end = pending.firstIndex(of: 0x0A) {
        defer { pending.removeSubrange(...end) }
        return try text(pending[..<end])
      }
      if isAtEnd {
        defer { pending = [] }
        return pending.isEmpty ? nil : try text(pending[...])
      }
      try fill()
    }
  }

  private func text(_ bytes: ArraySlice<UInt8>) throws(CommandFailure) -> String {
    let line = bytes.last == 0x0D ? bytes.dropLast() : bytes
    guard let text = String(validating: line, as: UTF8.self) else {
      throw CommandFailure(
        "a line of standard input is not UTF-8; convert it, for example with iconv"
      )
    }
    return text
  }

  private mutating func fill() throws(CommandFailure) {
    var descriptor = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
    while poll(&descriptor, 1, 100) == 0 { try Cancellation.check() }
    try Cancellation.check()
    var chunk = [UInt8](repeating: 0, count: 4096)
    let count = read(STDIN_FILENO, &chunk, chunk.count)
    guard count >= 0 else {
      if errno == EINTR { return }
      throw CommandFailure("cannot read standard input: \(systemMessage(errno))")
    }
    isAtEnd = count == 0
    pending += chunk[..<count]
    guard pending.count <= 1 << 24 else {
      throw CommandFailure("a line of standard input is longer than 16 MB; shorten it")
    }
  }
}
