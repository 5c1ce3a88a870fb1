/// A self-contained HTML page: one file without scripts and links, in the reader's light or dark
/// colours.
public struct ReportPage: Sendable {
  /// The heading.
  public var title: String
  /// The elements below the heading, as markup.
  public var body: [String]

  /// A page.
  public init(title: String, body: [String] = []) {
    self.title = title
    self.body = body
  }

  /// Adds a paragraph of plain text.
  public mutating func add(paragraph text: String) {
    body.append("<p>\(text.escapedForMarkup)</p>")
  }

  /// Adds a heading of plain text.
  public mutating func add(heading text: String) {
    body.append("<h2>\(text.escapedForMarkup)</h2>")
  }

  /// Adds a chart.
  public mutating func add(_ chart: CurveChart) {
    body.append("<figure>\n\(chart.svg())</figure>")
  }

  /// Adds a table of plain texts.
  public mutating func add(table columns: [String], rows: [[String]]) {
    func row(_ cells: [String], _ tag: String) -> String {
      "<tr>" + cells.map { "<\(tag)>\($0.escapedForMarkup)</\(tag)>" }.joined() + "</tr>"
    }
    body.append(
      (["<div class=\"wide\"><table>", row(columns, "th")] + rows.map { row($0, "td") }
        + ["</table></div>"]).joined(separator: "\n")
    )
  }

  /// The page.
  public func html() -> String {
    let name = title.escapedForMarkup
    let head = [
      "<!DOCTYPE html>", "<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">", "<head>",
      "<meta charset=\"utf-8\"/>",
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>",
      "<meta name=\"color-scheme\" content=\"light dark\"/>", "<title>\(name)</title>",
      "<style>\(Self.styleSheet)</style>", "</head>", "<body>", "<h1>\(name)</h1>",
    ]
    return (head + body + ["</body>", "</html>"]).joined(separator: "\n") + "\n"
  }

  private static let styleSheet =
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;padding:0 1rem;max-width:60rem;"
    + "color:#222;background:#fff}h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}"
    + "figure{margin:1.5rem 0}.wide{overflow-x:auto}table{border-collapse:collapse}"
    + "th,td{padding:.25rem .75rem;text-align:left;border-bottom:1px solid #8884;"
    + "white-space:nowrap}th{font-weight:600}.number{text-align:right;"
    + "font-variant-numeric:tabular-nums}"
    + "@media(prefers-color-scheme:dark){body{color:#ddd;background:#161616}}"
}
