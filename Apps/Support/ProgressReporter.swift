import Dispatch

/// Shows how far work has come: a bar on a terminal, a few plain lines in a pipe, or nothing.
///
/// A bar is redrawn at most ten times a second; in a pipe a line is written after a second, then every few
/// seconds, and at the end. Progress that cannot be written is no reason to stop the work, so errors are dropped.
public final class ProgressReporter {
  /// How progress is shown.
  public enum Style: Hashable, Sendable {
    /// One line that is redrawn, as wide as the terminal.
    case bar(width: Int)
    /// A line now and then.
    case lines
    /// Nothing.
    case none
  }

  private let style: Style
  private let now: () -> Double
  private let write: (String) -> Void
  private let start: Double
  private var state: ProgressBar
  private var lastShown: Double
  private var isDrawn = false

  /// The seconds before the first line in a pipe.
  public static let firstLineDelay = 1.0
  /// The seconds between two lines in a pipe.
  public static let lineInterval = 5.0
  /// The seconds between two drawings of a bar.
  public static let barInterval = 0.1

  /// A reporter with its own clock and sink.
  ///
  /// - Parameters:
  ///   - label: what is being done: "quantizing".
  ///   - unit: what is counted, in the plural.
  ///   - style: how it is shown.
  ///   - now: seconds on a clock that never goes back.
  ///   - write: takes text as it is, with its line feeds.
  public init(
    _ label: String,
    unit: String,
    style: Style,
    now: @escaping () -> Double = secondsOfUptime,
    write: @escaping (String) -> Void = { text in try? StandardStream.error.write(text) }
  ) {
    self.style = style
    self.now = now
    self.write = write
    start = now()
    lastShown = style == .lines ? start + Self.firstLineDelay - Self.lineInterval : -.infinity
    state = ProgressBar(label: label, unit: unit, total: 0)
  }

  /// The style for standard error as it is: a bar for a person, lines for a file.
  public static func style(isQuiet: Bool) -> Style {
    if isQuiet { return .none }
    let stream = StandardStream.error
    return stream.isTerminal ? .bar(width: (stream.columnCount ?? 80) - 1) : .lines
  }

  /// Tells how far the work has come; shown if it is time.
  ///
  /// - Parameters:
  ///   - completed: the units done.
  ///   - total: all units.
  ///   - share: the part that is done where units differ in size.
  ///   - note: what is being worked on, or what is known so far.
  public func update(completed: Int, total: Int, share: Double? = nil, note: String = "") {
    let time = now()
    state.completed = completed
    state.total = total
    state.share = share
    state.note = note
    state.elapsed = time - start
    switch style {
    case .bar(let width):
      guard time - lastShown >= Self.barInterval else { return }
      write("\r\u{1B}[K" + state.bar(width: width))
      isDrawn = true
    case .lines:
      guard time - lastShown >= Self.lineInterval else { return }
      write(state.plainLine + "\n")
    case .none: return
    }
    lastShown = time
  }

  /// Takes the bar away: the work has ended, well or not.
  public func clear() {
    if isDrawn { write("\r\u{1B}[K") }
    isDrawn = false
  }

  /// Takes the bar away and leaves one line that says what was done and how long it took.
  public func finish() {
    clear()
    guard style != .none else { return }
    state.elapsed = now() - start
    write(state.summary + "\n")
  }
}

/// Seconds on a clock that never goes back.
public func secondsOfUptime() -> Double { Double(DispatchTime.now().uptimeNanoseconds) / 1e9 }
