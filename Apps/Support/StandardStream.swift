#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Standard output or standard error: unbuffered text, with the errors that `print` hides.
public struct StandardStream: Sendable {
  private let descriptor: Int32
  private let name: String

  /// Where results go.
  public static let output = StandardStream(descriptor: STDOUT_FILENO, name: "standard output")
  /// Where progress and errors go.
  public static let error = StandardStream(descriptor: STDERR_FILENO, name: "standard error")

  /// Whether a person is watching: a terminal that can move its cursor.
  public var isTerminal: Bool {
    isatty(descriptor) == 1 && ProcessInfo.processInfo.environment["TERM"] != "dumb"
  }

  /// The columns of the terminal; nil if it is none or does not say.
  public var columnCount: Int? {
    var size = winsize()
    guard isTerminal, ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else {
      return nil
    }
    return Int(size.ws_col)
  }

  /// Writes all of `text`.
  ///
  /// - Throws: `CommandFailure`, silent if the reader has gone.
  public func write(_ text: String) throws(CommandFailure) {
    var text = text
    guard let failure = text.withUTF8({ writeAll($0, to: descriptor) }) else { return }
    if failure == EPIPE { throw CommandFailure("\(name) is closed", code: .closedPipe) }
    throw CommandFailure("cannot write to \(name): \(systemMessage(failure))")
  }

  /// Writes `text` and a line feed.
  ///
  /// - Throws: `CommandFailure`, silent if the reader has gone.
  public func writeLine(_ text: String) throws(CommandFailure) { try write(text + "\n") }
}

/// Writes bytes; the error number where that fails.
private func writeAll(_ bytes: UnsafeBufferPointer<UInt8>, to descriptor: Int32) -> Int32? {
  var rest = bytes[...]
  while !rest.isEmpty {
    let count = write(descriptor, UnsafeBufferPointer(rebasing: rest).baseAddress, rest.count)
    if count < 0 && errno == EINTR { continue }
    if count < 0 { return errno }
    rest = rest.dropFirst(count)
  }
  return nil
}

/// What the system says about an error number, in lower case: "no space left on device".
public func systemMessage(_ number: Int32) -> String {
  String(cString: strerror(number)).lowercasingFirst()
}

extension String {
  /// The text with its first letter in lower case, unless it begins an acronym.
  public func lowercasingFirst() -> String {
    guard let first, dropFirst().first?.isUppercase != true else { return self }
    return first.lowercased() + dropFirst()
  }
}
