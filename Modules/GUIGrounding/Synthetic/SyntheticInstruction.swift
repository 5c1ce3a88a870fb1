/// What a synthetic page asks for: a colour and a shape.
///
///     SyntheticInstruction("click the red ring")     // red, ring
public struct SyntheticInstruction: Hashable, Codable, Sendable {
  /// The colour of the element.
  public var color: SyntheticColor
  /// The shape of the element.
  public var shape: SyntheticShape

  /// The instruction for a colour and a shape.
  public init(color: SyntheticColor, shape: SyntheticShape) {
    (self.color, self.shape) = (color, shape)
  }

  /// The instruction in a text with exactly one colour and one shape; nil for any other text.
  public init?(_ text: String) {
    let words = text.lowercased().split { !$0.isLetter }.map(String.init)
    let colors = words.compactMap { SyntheticColor(rawValue: $0) }
    let shapes = words.compactMap { SyntheticShape(rawValue: $0) }
    guard colors.count == 1, shapes.count == 1 else { return nil }
    self.init(color: colors[0], shape: shapes[0])
  }

  /// `click the COLOUR SHAPE`.
  public var text: String { "click the \(color.rawValue) \(shape.rawValue)" }
}
