/// A colour of eight bits a channel.
public struct RGBColor: Hashable, Codable, Sendable {
  /// The red channel.
  public var red: UInt8
  /// The green channel.
  public var green: UInt8
  /// The blue channel.
  public var blue: UInt8

  /// A colour.
  public init(_ red: UInt8, _ green: UInt8, _ blue: UInt8) {
    (self.red, self.green, self.blue) = (red, green, blue)
  }

  /// Black.
  public static let black = RGBColor(0, 0, 0)
  /// White.
  public static let white = RGBColor(255, 255, 255)
}
