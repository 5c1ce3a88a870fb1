extension Table {
  /// The table as Markdown, without a line feed at the end; a bar in a cell is no border.
  public var markdown: String {
    func line(_ cells: [String]) -> String {
      "| " + cells.map { $0.replacing("|", with: "\\|") }.joined(separator: " | ") + " |"
    }
    let rule = columns.map { $0.alignment == .leading ? "---" : "---:" }
    let head = [line(columns.map(\.title.printable)), line(rule)]
    return (head + rows.map(line)).joined(separator: "\n")
  }
}
