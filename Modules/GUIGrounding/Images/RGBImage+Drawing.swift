import Foundation

/// How a mark is drawn.
public struct Pen: Hashable, Codable, Sendable {
  /// The colour.
  public var color: RGBColor
  /// The width of lines in pixels.
  public var width: Double
  /// How much of what lies beneath is covered: 0 nothing, 1 all.
  public var opacity: Double

  /// A pen.
  public init(_ color: RGBColor, width: Double = 1, opacity: Double = 1) {
    (self.color, self.width, self.opacity) = (color, width, opacity)
  }
}

/// Marks on a picture, in continuous pixels; whatever lies outside is cut off.
///
/// Edges are smooth: a pixel takes the colour by how much of it the shape covers, which is taken
/// from the distance of its centre to the shape's edge.
extension RGBImage {
  /// Fills a rectangle.
  public mutating func fill(_ box: GroundingBox, _ pen: Pen) {
    let columns = covered(box.x0, box.x1, size.width)
    for y in covered(box.y0, box.y1, size.height) {
      for x in columns {
        let width = min(box.x1, Double(x + 1)) - max(box.x0, Double(x))
        let height = min(box.y1, Double(y + 1)) - max(box.y0, Double(y))
        blend(x, y, pen, max(width, 0) * max(height, 0))
      }
    }
  }

  /// Draws the outline of a rectangle; the line lies half on each side of it.
  public mutating func stroke(_ box: GroundingBox, _ pen: Pen) {
    guard box.isValid else { return }
    let half = pen.width / 2
    let (left, right) = (box.x0 - half, box.x1 + half)
    let (top, bottom) = (box.y0 + half, box.y1 - half)
    fill(GroundingBox(x0: left, y0: box.y0 - half, x1: right, y1: top), pen)
    // A flat box has one line only.
    fill(GroundingBox(x0: left, y0: max(bottom, top), x1: right, y1: box.y1 + half), pen)
    fill(GroundingBox(x0: left, y0: top, x1: min(box.x0 + half, right), y1: bottom), pen)
    let inner = max(box.x1 - half, box.x0 + half)
    fill(GroundingBox(x0: inner, y0: top, x1: right, y1: bottom), pen)
  }

  /// Draws a straight line with round ends.
  public mutating func line(from start: GroundingPoint, to end: GroundingPoint, _ pen: Pen) {
    guard start.isFinite, end.isFinite else { return }
    let reach = pen.width / 2 + 1
    let (dx, dy) = (end.x - start.x, end.y - start.y)
    let square = dx * dx + dy * dy
    let rows = covered(min(start.y, end.y) - reach, max(start.y, end.y) + reach, size.height)
    let columns = covered(min(start.x, end.x) - reach, max(start.x, end.x) + reach, size.width)
    for y in rows {
      for x in columns {
        let (px, py) = (Double(x) + 0.5 - start.x, Double(y) + 0.5 - start.y)
        let share = square > 0 ? min(max((px * dx + py * dy) / square, 0), 1) : 0
        let (qx, qy) = (px - share * dx, py - share * dy)
        blend(x, y, pen, pen.width / 2 + 0.5 - (qx * qx + qy * qy).squareRoot())
      }
    }
  }

  /// Draws a cross of two lines through a point, each `radius` to all sides.
  public mutating func cross(_ center: GroundingPoint, radius: Double, _ pen: Pen) {
    let (x, y) = (center.x, center.y)
    line(
      from: GroundingPoint(x: x - radius, y: y),
      to: GroundingPoint(x: x + radius, y: y),
      pen
    )
    line(
      from: GroundingPoint(x: x, y: y - radius),
      to: GroundingPoint(x: x, y: y + radius),
      pen
    )
  }

  /// Fills a disc.
  public mutating func disc(_ center: GroundingPoint, radius: Double, _ pen: Pen) {
    eachNear(center, radius + 1) { image, x, y, distance in
      image.blend(x, y, pen, radius + 0.5 - distance)
    }
  }

  /// Draws a circle; the line lies half on each side of it.
  public mutating func circle(_ center: GroundingPoint, radius: Double, _ pen: Pen) {
    eachNear(center, radius + pen.width / 2 + 1) { image, x, y, distance in
      image.blend(x, y, pen, pen.width / 2 + 0.5 - abs(distance - radius))
    }
  }

  /// Covers a region with heat: the more, the larger the value of a function there.
  ///
  /// - Parameters:
  ///   - region: where the heat is drawn.
  ///   - pen: its colour, and its opacity where the value is 1.
  ///   - step: how many pixels apart the function is asked; linear in between.
  ///   - value: from 0 to 1 at a place of the picture.
  public mutating func heat(
    _ region: PixelRect,
    _ pen: Pen,
    step: Int = 4,
    value: (GroundingPoint) -> Double
  ) {
    guard region.isInside(size) else { return }
    let step = max(step, 1)
    let (columns, rows) = (region.width / step + 2, region.height / step + 2)
    var grid = [Double](repeating: 0, count: columns * rows)
    for row in 0..<rows {
      for column in 0..<columns {
        let x = Double(region.x + column * step)
        let y = Double(region.y + row * step)
        grid[row * columns + column] = value(GroundingPoint(x: x, y: y))
      }
    }
    for y in 0..<region.height {
      for x in 0..<region.width {
        let (u, v) = ((Double(x) + 0.5) / Double(step), (Double(y) + 0.5) / Double(step))
        let place = Int(v) * columns + Int(u)
        let (fx, fy) = (u - u.rounded(.down), v - v.rounded(.down))
        let upper = grid[place] * (1 - fx) + grid[place + 1] * fx
        let lower = grid[place + columns] * (1 - fx) + grid[place + columns + 1] * fx
        blend(region.x + x, region.y + y, pen, upper * (1 - fy) + lower * fy)
      }
    }
  }

  private mutating func eachNear(
    _ center: GroundingPoint,
    _ reach: Double,
    _ body: (inout RGBImage, Int, Int, Double) -> Void
  ) {
    guard center.isFinite else { return }
    let columns = covered(center.x - reach, center.x + reach, size.width)
    for y in covered(center.y - reach, center.y + reach, size.height) {
      for x in columns {
        let pixel = GroundingPoint(x: Double(x) + 0.5, y: Double(y) + 0.5)
        body(&self, x, y, pixel.distance(to: center))
      }
    }
  }

  /// The pixels of an axis that a stretch touches; none where it is not finite.
  private func covered(_ start: Double, _ end: Double, _ limit: Int) -> Range<Int> {
    guard start.isFinite, end.isFinite else { return 0..<0 }
    let first = min(max(start.rounded(.down), 0), Double(limit))
    let last = min(max(end.rounded(.up), 0), Double(limit))
    return first < last ? Int(first)..<Int(last) : 0..<0
  }

  /// Mixes a colour into a pixel by how much of it is covered.
  private mutating func blend(_ x: Int, _ y: Int, _ pen: Pen, _ coverage: Double) {
    let share = min(max(coverage, 0), 1) * min(max(pen.opacity, 0), 1)
    guard share > 0 else { return }
    let place = (y * size.width + x) * 3
    func mix(_ old: UInt8, _ new: UInt8) -> UInt8 {
      UInt8(Double(old) + (Double(new) - Double(old)) * share + 0.5)
    }
    pixels[place] = mix(pixels[place], pen.color.red)
    pixels[place + 1] = mix(pixels[place + 1], pen.color.green)
    pixels[place + 2] = mix(pixels[place + 2], pen.color.blue)
  }
}
