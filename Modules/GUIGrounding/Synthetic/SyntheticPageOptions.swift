/// What synthetic pages look like.
public struct SyntheticPageOptions: Hashable, Codable, Sendable {
  /// The sides of a page in pixels.
  public var side: Int
  /// How many elements a page gets, as far as there is room.
  public var elementCount: ClosedRange<Int>
  /// The sides of an element in pixels, drawn evenly on a logarithmic scale.
  public var elementSide: ClosedRange<Int>
  /// The least gap between two elements in pixels.
  public var gap: Int
  /// How often a place is looked for before an element is left out.
  public var tries: Int

  /// Pages of 192 × 192 pixels with five to nine elements of 9 to 30 pixels.
  public init(
    side: Int = 192,
    elementCount: ClosedRange<Int> = 5...9,
    elementSide: ClosedRange<Int> = 9...30
  ) {
    self.side = side
    self.elementCount = elementCount
    self.elementSide = elementSide
    gap = 2
    tries = 20
  }

  /// What is wrong with the numbers, or nil.
  public var flaw: String? {
    if !(64...8192).contains(side) { return "pages of \(side) pixels, 64 to 8192 are needed" }
    if elementCount.lowerBound < 1 || elementCount.upperBound > 1000 {
      return "pages of \(elementCount) elements, 1 to 1000 are needed"
    }
    if elementSide.lowerBound < 4 || elementSide.upperBound > side / 4 {
      return "elements of \(elementSide) pixels, 4 to a quarter of the page are needed"
    }
    if !(0...side / 4).contains(gap) { return "a gap of \(gap) pixels" }
    if !(1...10_000).contains(tries) { return "\(tries) tries for a place" }
    return nil
  }
}
