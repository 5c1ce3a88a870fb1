/// Columns of text for people: titles, a rule, and rows that line up.
///
/// Numbers stand at the right of their column. Widths count what a terminal shows, so names in any
/// script line up.
///
///     var table = Table(["layer", .number("bits")])
///     table.add("model.layers.0.mlp.up_proj", "4.25")
///     print(table.text())
public struct Table {
  /// The head of a column, and how it stands.
  public struct Column: Hashable, Sendable, ExpressibleByStringLiteral {
    /// Where the values stand in their column.
    public enum Alignment: Hashable, Sendable {
      /// At the left: words.
      case leading
      /// At the right: numbers.
      case trailing
    }

    /// The words above the column.
    public let title: String
    /// Where values stand.
    public let alignment: Alignment

    /// A column of words.
    public init(stringLiteral title: String) {
      self.init(title: title, alignment: .leading)
    }

    private init(title: String, alignment: Alignment) {
      self.title = title
      self.alignment = alignment
    }

    /// A column of numbers.
    public static func number(_ title: String) -> Column {
      Column(title: title, alignment: .trailing)
    }
  }

  /// The columns from left to right.
  public let columns: [Column]
  /// The rows, each with one cell per column.
  public private(set) var rows: [[String]] = []

  /// A table with some rows, of which each is added as by `add`.
  public init(_ columns: [Column], rows: [[String]] = []) {
    self.columns = columns
    for row in rows { add(row) }
  }

  /// Adds a row; missing cells are empty, more than there are columns are dropped.
  public mutating func add(_ cells: String...) {
    add(cells)
  }

  /// Adds a row; missing cells are empty, more than there are columns are dropped.
  public mutating func add(_ cells: [String]) {
    let padding = repeatElement("", count: max(0, columns.count - cells.count))
    rows.append((cells.prefix(columns.count) + padding).map(\.printable))
  }

  /// The lines of the table, without a line feed at the end.
  ///
  /// Where `width` is the columns of a terminal, the widest column of words is shortened until the
  /// table fits; nil writes everything.
  public func text(width: Int? = nil) -> String {
    let widths = columnWidths(fitting: width)
    var lines = [line(columns.map(\.title), widths: widths)]
    lines.append(widths.map { String(repeating: "─", count: $0) }.joined(separator: "  "))
    lines += rows.map { line($0, widths: widths) }
    return lines.joined(separator: "\n")
  }

  private func columnWidths(fitting width: Int?) -> [Int] {
    var widths = columns.indices.map { index in
      rows.reduce(columns[index].title.columnCount) { max($0, $1[index].columnCount) }
    }
    let words = columns.indices.filter { columns[$0].alignment == .leading }
    guard let width, let widest = words.max(by: { widths[$0] < widths[$1] }) else { return widths }
    let excess = widths.reduce(0, +) + 2 * (widths.count - 1) - width
    let least = max(columns[widest].title.columnCount, 8)
    if excess > 0 { widths[widest] = min(widths[widest], max(widths[widest] - excess, least)) }
    return widths
  }

  private func line(_ cells: [String], widths: [Int]) -> String {
    var text = ""
    for (index, cell) in cells.enumerated() {
      let cell = cell.shortened(to: widths[index])
      let padding = String(repeating: " ", count: widths[index] - cell.columnCount)
      text += index == 0 ? "" : "  "
      text += columns[index].alignment == .leading ? cell + padding : padding + cell
    }
    while text.last == " " { text.removeLast() }
    return text
  }
}
