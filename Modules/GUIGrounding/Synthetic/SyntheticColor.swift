/// A colour on a synthetic page; the order is that of the tokens.
public enum SyntheticColor: String, CaseIterable, Codable, Sendable {
  /// 214, 48, 49.
  case red
  /// 39, 174, 96.
  case green
  /// 41, 98, 214.
  case blue
  /// 241, 196, 15.
  case yellow
  /// 142, 68, 173.
  case purple
  /// 30, 30, 30.
  case black

  /// The bytes.
  public var rgb: RGBColor {
    switch self {
    case .red: RGBColor(214, 48, 49)
    case .green: RGBColor(39, 174, 96)
    case .blue: RGBColor(41, 98, 214)
    case .yellow: RGBColor(241, 196, 15)
    case .purple: RGBColor(142, 68, 173)
    case .black: RGBColor(30, 30, 30)
    }
  }
}
