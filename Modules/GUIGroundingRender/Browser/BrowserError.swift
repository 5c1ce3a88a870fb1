/// Why a browser does not do what it should.
public enum BrowserError: Error, Equatable, Sendable {
  /// No browser was found; where it was looked for.
  case notFound(searched: [String])
  /// The program cannot be started; the system's words.
  case cannotStart(path: String, reason: String)
  /// The browser is older than what the driver needs.
  case tooOld(path: String, version: String, needed: Int)
  /// The browser ended by itself; the end of what it wrote.
  case ended(log: String)
  /// A page's process died.
  case crashed(page: String)
  /// No answer in that many seconds.
  case timedOut(String, seconds: Double)
  /// The browser refuses a command; its words.
  case refused(command: String, message: String)
  /// A script on a page failed; the page's words.
  case script(String)
  /// A page cannot be opened; the browser's words.
  case navigation(page: String, reason: String)
  /// The browser sent what makes no sense.
  case malformed(String)
  /// The task was cancelled.
  case cancelled
}

extension BrowserError: CustomStringConvertible {
  /// What went wrong, and what to do.
  public var description: String {
    switch self {
    case .notFound(let searched):
      "no browser: install Chromium or Chrome, or name its program; looked for "
        + searched.joined(separator: ", ")
    case .cannotStart(let path, let reason): "browser \(path): cannot be started: \(reason)"
    case .tooOld(let path, let version, let needed):
      "browser \(path): version \(version), \(needed) or later is needed"
    case .ended(let log): "the browser ended" + (log.isEmpty ? "" : ": \(log)")
    case .crashed(let page): "page \(page): its process died"
    case .timedOut(let what, let seconds): "\(what): no answer in \(seconds) s"
    case .refused(let command, let message): "\(command): \(message)"
    case .script(let text): "script: \(text)"
    case .navigation(let page, let reason): "page \(page): \(reason)"
    case .malformed(let text): "the browser sent what makes no sense: \(text)"
    case .cancelled: "cancelled"
    }
  }
}
