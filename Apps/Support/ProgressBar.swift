/// How far a piece of work has come, as one line of text.
///
/// On a terminal: `quantizing  ████████░░░░░░░░  50%  105/210 layers  8.1/s  0:13 left  …up_proj`.
/// In a file: `quantizing: 105 of 210 layers (50%), 8.1 layers/s, 0:13 left`.
public struct ProgressBar: Hashable, Sendable {
  /// What is being done: "quantizing".
  public var label: String
  /// What is counted, in the plural: "layers".
  public var unit: String
  /// The units done.
  public var completed: Int
  /// All units.
  public var total: Int
  /// Seconds since the start.
  public var elapsed: Double
  /// The part that is done, in [0, 1], where units differ in size; nil counts them.
  public var share: Double?
  /// What is being worked on, or what is known so far; may be empty.
  public var note: String

  /// A line for work at a certain point.
  public init(
    label: String,
    unit: String,
    completed: Int = 0,
    total: Int,
    elapsed: Double = 0,
    share: Double? = nil,
    note: String = ""
  ) {
    self.label = label
    self.unit = unit
    self.completed = completed
    self.total = total
    self.elapsed = elapsed
    self.share = share
    self.note = note
  }

  /// The part that is done, in [0, 1].
  public var fraction: Double {
    let share = share ?? (total > 0 ? Double(completed) / Double(total) : 0)
    return min(max(share, 0), 1)
  }

  /// The units per second; nil before there is anything to say.
  public var rate: Double? {
    completed > 0 && elapsed > 0 ? Double(completed) / elapsed : nil
  }

  /// The seconds that the rest takes at the same rate; nil before there is anything to say.
  public var remaining: Double? {
    fraction > 0 && elapsed > 0 ? elapsed * (1 - fraction) / fraction : nil
  }

  /// The line for a terminal, no wider than `width`.
  ///
  /// In a narrow terminal the note loses its beginning first, then the bar goes, then the note.
  public func bar(width: Int) -> String {
    var facts = ["\(Int(fraction * 100))%", "\(completed)/\(total) \(unit)"]
    if let rate { facts.append("\(rateText(rate))/s") }
    if let remaining { facts.append("\(clockText(remaining)) left") }
    let text = facts.joined(separator: "  ")
    let room = width - label.columnCount - text.columnCount - 4
    guard room >= Self.leastCells else { return "\(label)  \(text)".shortened(to: width) }
    // The bar's width does not depend on the note's, or it would jump.
    let shared = min(max(room / 3, Self.leastCells), Self.mostCells)
    let noteRoom = min(note.columnCount, room - shared - 2)
    let showsNote = !note.isEmpty && noteRoom >= min(note.columnCount, Self.leastNote)
    let cells = showsNote ? shared : min(room, Self.mostCells)
    let filled = Int(fraction * Double(cells))
    let picture =
      String(repeating: "█", count: filled) + String(repeating: "░", count: cells - filled)
    let line = "\(label)  \(picture)  \(text)"
    return showsNote ? "\(line)  \(note.printable.ending(columns: noteRoom))" : line
  }

  private static let leastCells = 5
  private static let mostCells = 30
  private static let leastNote = 10

  /// The line for a file or a pipe.
  public var plainLine: String {
    var parts = ["\(label): \(completed) of \(total) \(unit) (\(Int(fraction * 100))%)"]
    if let rate { parts.append("\(rateText(rate)) \(unit)/s") }
    if let remaining, completed < total { parts.append("\(clockText(remaining)) left") }
    if !note.isEmpty { parts.append(note.printable) }
    return parts.joined(separator: ", ")
  }

  /// The line that stays when the work is done.
  public var summary: String {
    let done = "\(label): \(completed.grouped) \(unit) in \(durationText(elapsed))"
    return note.isEmpty ? done : "\(done), \(note.printable)"
  }

  private func rateText(_ rate: Double) -> String {
    rate >= 100 ? rate.fixed(0) : rate >= 10 ? rate.fixed(1) : rate.fixed(2)
  }
}
