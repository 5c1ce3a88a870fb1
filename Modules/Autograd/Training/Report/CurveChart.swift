import Tensor

/// A curve of a chart: a name and points in the order in which they are joined.
public struct CurveSeries: Hashable, Sendable, Codable {
  /// A point; a coordinate that is not finite breaks the curve.
  public struct Point: Hashable, Sendable, Codable {
    /// The horizontal coordinate.
    public var x: Double
    /// The vertical coordinate.
    public var y: Double

    /// A point.
    public init(_ x: Double, _ y: Double) { (self.x, self.y) = (x, y) }
  }

  /// The name, for the legend.
  public var name: String
  /// The points.
  public var points: [Point]

  /// A curve through points.
  public init(_ name: String, _ points: [Point]) { (self.name, self.points) = (name, points) }

  /// The curve of running means, m ← βm + (1 − β)y divided by 1 − βⁿ.
  ///
  /// What is not finite stays and is not averaged.
  ///
  /// - Parameter strength: β in [0, 1); 0 changes nothing.
  /// - Returns: a curve with as many points.
  public func smoothed(by strength: Double) -> CurveSeries {
    expect(strength >= 0 && strength < 1, "smooth: strength \(strength) is not in [0, 1)")
    var (mean, weight) = (0.0, 1.0)
    var result = self
    for index in points.indices where points[index].y.isFinite {
      mean = strength * mean + (1 - strength) * points[index].y
      weight *= strength
      result.points[index].y = mean / (1 - weight)
    }
    return result
  }
}

/// A line chart as SVG: axes with round numbers, a grid, a legend, and values that show when the
/// pointer rests on the curve.
///
///     let chart = CurveChart(title: "loss", horizontal: "step", series: [training, validation])
///     try AtomicFile.write(chart.svg(), to: "loss.svg")
///
/// The text depends on the chart alone, has no scripts and no links, and follows the reader's light
/// or dark colours. Points that are not finite break their curve; so do points of 0 and below on a
/// logarithmic axis.
public struct CurveChart: Hashable, Sendable, Codable {
  /// What the chart shows: above it.
  public var title: String
  /// What the horizontal axis counts: below it.
  public var horizontal: String
  /// The spacing of the vertical axis.
  public var scale: AxisScale
  /// How strongly curves are smoothed, in [0, 1); the values themselves stay visible, pale.
  public var smoothing: Double
  /// The curves.
  public var series: [CurveSeries]

  /// A chart of curves.
  public init(
    title: String,
    horizontal: String = "step",
    scale: AxisScale = .linear,
    smoothing: Double = 0,
    series: [CurveSeries]
  ) {
    expect(smoothing >= 0 && smoothing < 1, "chart: smoothing \(smoothing) is not in [0, 1)")
    self.title = title
    self.horizontal = horizontal
    self.scale = scale
    self.smoothing = smoothing
    self.series = series
  }

  /// The chart as an SVG document, or element of an HTML document.
  public func svg() -> String { ChartDrawing(self).document() }
}

/// The layout of a chart and its elements.
struct ChartDrawing {
  static let width = 720.0
  static let plotHeight = 260.0
  static let left = 64.0
  static let right = 16.0
  static let top = 34.0
  static let legendRow = 20.0
  /// At most so many values of a curve show under the pointer.
  static let hoverCount = 150

  let chart: CurveChart
  let x: ChartAxis
  let y: ChartAxis
  private let legend: [LegendEntry]
  private var height: Double {
    let rows = legend.last.map { $0.row + 1 } ?? 0
    return Self.top + Self.plotHeight + 48 + Double(rows) * Self.legendRow
  }
  private var bottom: Double { Self.top + Self.plotHeight }
  private var plotWidth: Double { Self.width - Self.left - Self.right }

  init(_ chart: CurveChart) {
    self.chart = chart
    let shown = chart.series.flatMap(\.points).filter { chart.scale.holds($0.y) && $0.x.isFinite }
    x = ChartAxis(shown.map(\.x), scale: .linear, margin: 0)
    y = ChartAxis(shown.map(\.y), scale: chart.scale, margin: 0.05)
    legend = LegendEntry.arrange(chart.series.map(\.name), width: Self.width - Self.left)
  }

  func document() -> String {
    let (width, height) = (Self.width.coordinate, height.coordinate)
    let title = chart.title.escapedForMarkup
    var parts = [
      "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"curves\" viewBox=\"0 0 \(width) \(height)\""
        + " role=\"img\" aria-label=\"\(title)\">",
      "<style>\(ChartColours.styleSheet)</style>",
      "<text class=\"name\" x=\"\(Self.left.coordinate)\" y=\"20\">\(title)</text>",
    ]
    parts += grid()
    for (index, series) in chart.series.enumerated() { parts += curve(series, index) }
    parts += legendElements()
    parts.append("</svg>")
    return parts.joined(separator: "\n") + "\n"
  }

  // MARK: - Axes

  private func grid() -> [String] {
    let (left, right) = (Self.left.coordinate, (Self.width - Self.right).coordinate)
    var parts: [String] = []
    for tick in y.ticks {
      guard let place = place(y: tick.value) else { continue }
      let level = place.coordinate
      parts.append("<path class=\"grid\" d=\"M\(left) \(level)H\(right)\"/>")
      parts.append(
        "<text class=\"tick\" text-anchor=\"end\" x=\"\((Self.left - 6).coordinate)\" "
          + "y=\"\((place + 4).coordinate)\">\(tick.label)</text>"
      )
    }
    for tick in x.ticks {
      guard let place = place(x: tick.value) else { continue }
      parts.append(
        "<path class=\"axis\" d=\"M\(place.coordinate) \(bottom.coordinate)v4\"/>"
      )
      parts.append(
        "<text class=\"tick\" text-anchor=\"middle\" x=\"\(place.coordinate)\" "
          + "y=\"\((bottom + 17).coordinate)\">\(tick.label)</text>"
      )
    }
    parts.append("<path class=\"axis\" d=\"M\(left) \(bottom.coordinate)H\(right)\"/>")
    parts.append(
      "<text class=\"tick\" text-anchor=\"middle\" "
        + "x=\"\((Self.left + plotWidth / 2).coordinate)\" y=\"\((bottom + 34).coordinate)\">"
        + "\(chart.horizontal.escapedForMarkup)</text>"
    )
    return parts
  }

  func place(x value: Double) -> Double? {
    value.isFinite ? x.fraction(of: value).map { Self.left + $0 * plotWidth } : nil
  }

  func place(y value: Double) -> Double? {
    y.fraction(of: value).map { bottom - $0 * Self.plotHeight }
  }

  // MARK: - Curves

  private func curve(_ series: CurveSeries, _ index: Int) -> [String] {
    let colour = ChartColours.classes(of: index)
    var parts = ["<g class=\"\(colour)\">"]
    let shown = chart.smoothing > 0 ? series.smoothed(by: chart.smoothing) : series
    if chart.smoothing > 0 { parts += strokes(series, "raw") }
    parts += strokes(shown, "line")
    let name = series.name.escapedForMarkup
    for (point, smooth) in hovered(series, shown) {
      guard let place = place(of: smooth) else { continue }
      let value = point.y.readable + (chart.smoothing > 0 ? ", smoothed \(smooth.y.readable)" : "")
      parts.append(
        "<circle class=\"spot\" cx=\"\(place.x.coordinate)\" cy=\"\(place.y.coordinate)\" r=\"6\">"
          + "<title>\(name), \(chart.horizontal.escapedForMarkup) \(point.x.readable): \(value)"
          + "</title></circle>"
      )
    }
    parts.append("</g>")
    return parts
  }

  private func place(of point: CurveSeries.Point) -> CurveSeries.Point? {
    guard let x = place(x: point.x), let y = place(y: point.y) else { return nil }
    return CurveSeries.Point(x, y)
  }

  /// The unbroken parts of a curve; a single point becomes a dot.
  private func strokes(_ series: CurveSeries, _ kind: String) -> [String] {
    let parts = series.points.split(omittingEmptySubsequences: true) { place(of: $0) == nil }
    return parts.map { part in
      let places = thinned(part.compactMap(place))
      if places.count == 1 {
        return "<circle class=\"\(kind) dot\" cx=\"\(places[0].x.coordinate)\" "
          + "cy=\"\(places[0].y.coordinate)\" r=\"2\"/>"
      }
      let steps = places.map { "\($0.x.coordinate) \($0.y.coordinate)" }
      return "<path class=\"\(kind)\" d=\"M\(steps.joined(separator: "L"))\"/>"
    }
  }

  /// Of the points that fall into one column of pixels, the first, lowest, highest and last.
  private func thinned(_ places: [CurveSeries.Point]) -> [CurveSeries.Point] {
    guard places.count > 4 * Int(Self.width) else { return places }
    var result: [CurveSeries.Point] = []
    var start = 0
    while start < places.count {
      var end = start
      var (low, high) = (start, start)
      while end < places.count, places[end].x.rounded(.down) == places[start].x.rounded(.down) {
        if places[end].y < places[low].y { low = end }
        if places[end].y > places[high].y { high = end }
        end += 1
      }
      for index in Set([start, low, high, end - 1]).sorted() { result.append(places[index]) }
      start = end
    }
    return result
  }

  /// The values that show under the pointer, evenly chosen, always with the last.
  private func hovered(
    _ series: CurveSeries,
    _ shown: CurveSeries
  ) -> [(CurveSeries.Point, CurveSeries.Point)] {
    let pairs = Array(zip(series.points, shown.points))
    let spacing = max(1, (pairs.count + Self.hoverCount - 1) / Self.hoverCount)
    return stride(from: (pairs.count - 1) % spacing, to: pairs.count, by: spacing).map { pairs[$0] }
  }

  // MARK: - Legend

  private func legendElements() -> [String] {
    legend.enumerated().map { index, entry in
      let level = bottom + 58 + Double(entry.row) * Self.legendRow
      let start = Self.left + entry.offset
      return "<g class=\"\(ChartColours.classes(of: index))\"><path class=\"line\" "
        + "d=\"M\(start.coordinate) \((level - 4).coordinate)h18\"/>"
        + "<text x=\"\((start + 24).coordinate)\" y=\"\(level.coordinate)\">"
        + "\(entry.text.escapedForMarkup)</text></g>"
    }
  }
}

/// A name in the legend and where it stands.
private struct LegendEntry {
  let text: String
  let row: Int
  let offset: Double

  /// Sets names in rows, by the width that their letters usually need.
  static func arrange(_ names: [String], width: Double) -> [LegendEntry] {
    var entries: [LegendEntry] = []
    var (row, offset) = (0, 0.0)
    for name in names {
      let text = name.shortened(to: 60)
      let needed = 24 + Double(text.count) * 7.2 + 18
      if offset > 0 && offset + needed > width { (row, offset) = (row + 1, 0) }
      entries.append(LegendEntry(text: text, row: row, offset: offset))
      offset += needed
    }
    return entries
  }
}

/// The colours of curves: eight that colour-blind readers tell apart, then dashed ones.
private enum ChartColours {
  /// Light and dark variants after Okabe and Ito, "Color Universal Design", 2008.
  static let pairs = [
    ("#0072b2", "#56b4e9"), ("#d55e00", "#ff8c42"), ("#007a5a", "#2ec99a"), ("#b3528d", "#e69ac6"),
    ("#8a6d00", "#f0e442"), ("#3b82a0", "#9fd3ec"), ("#9a3b26", "#e0a08a"), ("#555555", "#bbbbbb"),
  ]

  static func classes(of index: Int) -> String {
    let dash = index / pairs.count % 3
    return "c\(index % pairs.count)" + (dash > 0 ? " d\(dash)" : "")
  }

  static let styleSheet: String = {
    func rules(_ colour: KeyPath<(String, String), String>) -> String {
      pairs.enumerated().map { ".curves .c\($0){color:\($1[keyPath: colour])}" }.joined()
    }
    return
      ".curves{font:12px system-ui,sans-serif;color-scheme:light dark;color:#222;fill:currentColor;"
      + "width:100%;height:auto;max-width:60rem}"
      + ".curves text{fill:#222}.curves .name{font-size:14px;font-weight:600}"
      + ".curves .tick{fill:#666;font-size:11px}"
      + ".curves .grid{stroke:#8883;fill:none}.curves .axis{stroke:#888;fill:none}"
      + ".curves .line,.curves .raw{fill:none;stroke:currentColor;stroke-width:1.6;"
      + "stroke-linejoin:round}.curves .raw{opacity:.3;stroke-width:1}"
      + ".curves .dot{fill:currentColor}.curves .spot{fill:transparent}"
      + ".curves .spot:hover{fill:currentColor;fill-opacity:.45}"
      + ".curves .d1 .line,.curves .d1.line{stroke-dasharray:6 3}"
      + ".curves .d2 .line,.curves .d2.line{stroke-dasharray:2 3}" + rules(\.0)
      + "@media(prefers-color-scheme:dark){.curves,.curves text{color:#ddd;fill:#ddd}"
      + ".curves .tick{fill:#999}" + rules(\.1) + "}"
  }()
}
