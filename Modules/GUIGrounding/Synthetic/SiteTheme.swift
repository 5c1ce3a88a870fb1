import Tensor

/// How all pages of a synthetic site look.
struct SiteTheme: Sendable {
  let font: String
  /// In pixels.
  let fontSize: Int
  let isDark: Bool
  let background: RGBColor
  /// The sides of icons in pixels.
  let iconSides: ClosedRange<Int>
  /// The style of a button around an icon.
  let frame: String
  /// How far each of the six colours lies from the plain one, a byte of each channel.
  private let shifts: [RGBShift]

  private struct RGBShift: Sendable {
    let red, green, blue: Int
  }

  private static let fonts = [
    "sans-serif", "serif", "monospace", "DejaVu Sans", "Liberation Serif",
  ]
  private static let largestShift = 22

  /// A theme that is drawn.
  init(using generator: inout Philox) {
    font = Self.fonts[generator.integer(below: Self.fonts.count)]
    fontSize = generator.integer(in: 8...13)
    isDark = generator.uniform() < 0.3
    let grays = isDark ? 32...70 : 222...255
    let gray = generator.integer(in: grays)
    func tinted(_ generator: inout Philox) -> UInt8 {
      UInt8(min(max(gray + generator.integer(in: -8...8), 0), 255))
    }
    let red = tinted(&generator)
    let green = tinted(&generator)
    background = RGBColor(red, green, tinted(&generator))
    let smallest = generator.integer(in: 12...20)
    iconSides = smallest...smallest + generator.integer(in: 3...14)
    frame = Self.frame(isDark, &generator)
    func shift(_ generator: inout Philox) -> Int {
      generator.integer(in: -Self.largestShift...Self.largestShift)
    }
    var shifts: [RGBShift] = []
    for _ in SyntheticColor.allCases {
      let red = shift(&generator)
      let green = shift(&generator)
      shifts.append(RGBShift(red: red, green: green, blue: shift(&generator)))
    }
    self.shifts = shifts
  }

  /// Black icons would be lost on a dark page: there, every button is light.
  private static func frame(_ isDark: Bool, _ generator: inout Philox) -> String {
    let radius = [0, 3, 6, 20][generator.integer(below: 4)]
    let padding = generator.integer(in: 1...5)
    let styles = [
      "border:none;background:none", "border:1px solid #bbb;background:#fff",
      "border:none;background:#fff;box-shadow:0 1px 3px #0006",
      "border:2px solid #ddd;background:#f0f0f4",
    ]
    let style = styles[generator.integer(in: (isDark ? 1 : 0)...styles.count - 1)]
    return "\(style);border-radius:\(radius)px;padding:\(padding)px;margin:0"
  }

  /// A colour as the site draws it, for CSS.
  func css(_ color: SyntheticColor) -> String {
    let place = SyntheticColor.allCases.firstIndex(of: color) ?? 0
    let (plain, shift) = (color.rgb, shifts[place])
    func byte(_ value: UInt8, _ shift: Int) -> Int { min(max(Int(value) + shift, 0), 255) }
    return "rgb(\(byte(plain.red, shift.red)),\(byte(plain.green, shift.green)),"
      + "\(byte(plain.blue, shift.blue)))"
  }

  /// The style sheet that all layouts share.
  var style: String {
    let (text, panel) = isDark ? ("#ddd", "#fff2") : ("#333", "#0001")
    return """
      html,body{height:100%;margin:0;overflow:hidden}
      body{font:\(fontSize)px \(font);color:\(text);background:rgb(\(background.red),\
      \(background.green),\(background.blue));display:flex;flex-direction:column}
      button{\(frame);line-height:0;flex:none;display:inline-block;vertical-align:middle}
      p,h1,h2{margin:3px 6px}h1{font-size:1.4em}h2{font-size:1.1em}
      .row{display:flex;gap:6px;align-items:center;padding:4px 6px}
      .bar{background:\(panel)}.panel{background:\(panel);border-radius:4px;padding:4px}
      .column{display:flex;flex-direction:column;gap:6px;padding:4px}
      .wrap{display:flex;flex-wrap:wrap;gap:8px;padding:6px;align-content:flex-start}
      .spread{justify-content:space-around}.fill{flex:1;min-width:0}.end{margin-left:auto}
      .field{flex:1;height:1.4em;background:\(panel);border-radius:3px}
      .place{position:absolute}.caption{display:block;text-align:center;line-height:1.2}
      """
  }
}
