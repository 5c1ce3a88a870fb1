import Foundation
public import Tensor

/// How the local view of a training example is chosen: the shares of the picture's sides that it
/// may have.
public struct ConsistencyCrop: Codable, Hashable, Sendable {
  /// The least share of each side.
  public var least: Double
  /// The largest share of each side.
  public var largest: Double
  /// Pixels that the view has more than the target.
  public var margin: Int

  /// Shares of 0.375 to 0.78: 72 to 150 of 192 pixels.
  public init(least: Double = 0.375, largest: Double = 0.78125, margin: Int = 4) {
    (self.least, self.largest, self.margin) = (least, largest, margin)
  }

  /// What is wrong with the numbers, or nil.
  var flaw: String? {
    least > 0 && least <= largest && largest <= 1 && (0...1_000_000).contains(margin)
      ? nil : "local views of \(least) to \(largest) of a side with a margin of \(margin)"
  }

  /// A rectangle that wholly contains a box.
  ///
  /// Its share is drawn evenly from [max(least, what the box needs), largest], its place evenly from
  /// those that contain the box and lie in the picture.
  ///
  /// - Parameters:
  ///   - box: what must be in it.
  ///   - image: the extents of the picture.
  ///   - generator: the source of the random numbers.
  /// - Returns: a rectangle of the picture's proportions; the whole picture where the box needs it.
  public func callAsFunction(
    around box: GroundingBox,
    in image: PixelSize,
    using generator: inout Philox
  ) -> PixelRect {
    let (width, height) = (Double(image.width), Double(image.height))
    let needed = max(
      (box.width + Double(margin)) / width,
      (box.height + Double(margin)) / height,
      least
    )
    let share = min(1, needed + max(0, largest - needed) * Double(generator.uniform()))
    let size = PixelSize(
      width: min(image.width, Int((share * width).rounded(.up))),
      height: min(image.height, Int((share * height).rounded(.up)))
    )
    let x = place(box.x0, box.x1, size.width, image.width, &generator)
    let y = place(box.y0, box.y1, size.height, image.height, &generator)
    return PixelRect(x: x, y: y, width: size.width, height: size.height)
  }

  /// A start from which `extent` pixels contain both ends, as far as that is possible.
  private func place(
    _ low: Double,
    _ high: Double,
    _ extent: Int,
    _ limit: Int,
    _ generator: inout Philox
  ) -> Int {
    let last = limit - extent
    func clamped(_ value: Double) -> Int { Int(min(max(value, 0), Double(last))) }
    let first = clamped((high - Double(extent)).rounded(.up))
    let end = clamped(low.rounded(.down))
    return first < end ? generator.integer(in: first...end) : first
  }
}
