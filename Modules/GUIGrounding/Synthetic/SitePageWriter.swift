import Tensor

/// Writes the body of a page of a synthetic site.
struct SitePageWriter {
  let theme: SiteTheme
  var generator: Philox

  private static let lexicon = [
    "account", "budget", "calendar", "delivery", "estimate", "forecast", "guide", "history",
    "invoice", "journal", "keyboard", "library", "meeting", "notes", "order", "project", "quarter",
    "report", "schedule", "team", "update", "vendor", "week", "archive", "and", "for", "of", "the",
    "with", "new", "open", "all",
  ]

  /// So many words, the first with a capital.
  mutating func words(_ range: ClosedRange<Int>) -> String {
    var words: [String] = []
    for _ in 0..<generator.integer(in: range) {
      words.append(Self.lexicon[generator.integer(below: Self.lexicon.count)])
    }
    let text = words.joined(separator: " ")
    return text.prefix(1).uppercased() + text.dropFirst()
  }

  private mutating func paragraphs(_ range: ClosedRange<Int>) -> String {
    (0..<generator.integer(in: range)).map { _ in "<p>\(words(12...40)).</p>" }.joined()
  }

  /// Buttons of different names.
  private mutating func icons() -> [String] {
    var names = SyntheticColor.allCases.flatMap { color in
      SyntheticShape.allCases.map { (color, $0) }
    }
    return (0..<generator.integer(in: 6...10)).map { _ in
      let (color, shape) = names.remove(at: generator.integer(below: names.count))
      return icon(color, shape)
    }
  }

  private mutating func icon(_ color: SyntheticColor, _ shape: SyntheticShape) -> String {
    let (side, css) = (generator.integer(in: theme.iconSides), theme.css(color))
    let drawing =
      switch shape {
      case .square: "<rect width=\"24\" height=\"24\"/>"
      case .circle: "<circle cx=\"12\" cy=\"12\" r=\"12\"/>"
      case .triangle: "<path d=\"M12 0L24 24H0z\"/>"
      case .cross: "<path d=\"M8 0h8v8h8v8h-8v8h-8v-8h-8v-8h8z\"/>"
      case .ring:
        "<circle cx=\"12\" cy=\"12\" r=\"9.6\" fill=\"none\" stroke=\"\(css)\" stroke-width=\"4.8\"/>"
      }
    return "<button aria-label=\"\(color.rawValue) \(shape.rawValue)\"><svg width=\"\(side)\" "
      + "height=\"\(side)\" viewBox=\"0 0 24 24\" fill=\"\(css)\">\(drawing)</svg></button>"
  }

  /// The icons where the layout has them, among text.
  mutating func body(_ layout: SyntheticSite.Layout) -> String {
    let icons = icons()
    switch layout {
    case .toolbar:
      return "<div class=\"row bar wrap\">\(icons.joined())</div><h1>\(words(2...4))</h1>"
        + paragraphs(2...4)
    case .sidebar:
      let half = icons.count / 2
      let columns = [icons[..<half], icons[half...]].map {
        "<div class=\"column bar\">\($0.joined())</div>"
      }
      return "<div class=\"row fill\" style=\"align-items:stretch\">\(columns[0])"
        + "<div class=\"fill\"><h1>\(words(1...3))</h1>\(paragraphs(2...4))</div>\(columns[1])</div>"
    case .launcher:
      let places = icons.map { "<div>\($0)<span class=\"caption\">\(words(1...1))</span></div>" }
      return "<h1>\(words(1...2))</h1><div class=\"wrap spread\">\(places.joined())</div>"
    case .table:
      let rows = icons.map {
        "<div class=\"row\" style=\"padding:1px 6px\"><span>\(words(1...2))</span>"
          + "<span class=\"\(generator.uniform() < 0.5 ? "end" : "")\">\($0)</span></div>"
      }
      return "<h2>\(words(2...3))</h2>\(rows.joined())"
    case .cards:
      let cards = icons.map {
        "<div class=\"panel\" style=\"width:\(generator.integer(in: 60...120))px\">"
          + "<b>\(words(1...2))</b><br>\(words(2...5)) \($0)</div>"
      }
      return "<div class=\"wrap\">\(cards.joined())</div>"
    case .tabBar:
      return "<div class=\"fill\"><h1>\(words(2...4))</h1>\(paragraphs(2...5))</div>"
        + "<div class=\"row bar wrap spread\">\(icons.joined())</div>"
    case .form:
      let fields = icons.map {
        "<div class=\"row\" style=\"padding:1px 6px\">\(words(1...1))"
          + "<div class=\"field\"></div>\($0)</div>"
      }
      return "<h1>\(words(1...3))</h1>\(fields.joined())"
    case .article:
      let lines = icons.map { "\(words(4...14)) \($0) " }
      return "<h1>\(words(2...4))</h1><p style=\"line-height:2.2\">\(lines.joined())</p>"
    case .gallery:
      let tiles = icons.map { icon in
        let corner = ["flex-start", "center", "flex-end"]
        let (across, down) = (
          corner[generator.integer(below: 3)], corner[generator.integer(below: 3)]
        )
        return "<div class=\"panel\" style=\"width:64px;height:52px;display:flex;"
          + "justify-content:\(across);align-items:\(down)\">\(icon)</div>"
      }
      return "<div class=\"wrap spread\">\(tiles.joined())</div>"
    case .header:
      let half = icons.count / 2
      return "<div class=\"row bar\"><b>\(words(1...1))</b><span class=\"end\"></span>"
        + "\(icons[..<half].joined())</div>\(paragraphs(1...2))"
        + "<div class=\"row bar\">\(icons[half...].joined())</div>\(paragraphs(1...2))"
    case .columns:
      let columns = (0..<3).map { column in
        let part = icons.indices.filter { $0 % 3 == column }.map { icons[$0] }
        return "<div class=\"fill panel\"><b>\(words(1...1))</b><div class=\"column\" "
          + "style=\"align-items:center\">\(part.joined())</div>\(words(3...9))</div>"
      }
      return "<div class=\"row\" style=\"align-items:stretch\">\(columns.joined())</div>"
    case .map: return map(icons)
    }
  }

  /// Icons in cells of four rows and three columns, somewhere in each.
  private mutating func map(_ icons: [String]) -> String {
    var cells = Array(0..<12)
    let placed = icons.map { icon in
      let cell = cells.remove(at: generator.integer(below: cells.count))
      let left = cell % 3 * 32 + 1 + generator.integer(in: 0...14)
      let top = cell / 3 * 24 + 1 + generator.integer(in: 0...8)
      return "<div class=\"place\" style=\"left:\(left)%;top:\(top)%\">\(icon)</div>"
    }
    let areas = (0..<generator.integer(in: 2...5)).map { _ in
      "<div class=\"place panel\" style=\"left:\(generator.integer(in: 0...60))%;"
        + "top:\(generator.integer(in: 0...60))%;width:\(generator.integer(in: 20...50))%;"
        + "height:\(generator.integer(in: 10...40))%\">\(words(1...2))</div>"
    }
    return areas.joined() + placed.joined()
  }
}
