/// In which frame the numbers of a row are.
enum RowFrame {
  /// Pixels of the image, or of the size that the row declares.
  case pixels
  /// Parts of the sides, which count as this number: 1, 1000.
  case shares(Double)
}

/// A target as its row has it: numbers in the frame of the layout.
struct RowTarget {
  var item: GroundingItem
  var frame: RowFrame
  /// Corners.
  var boxes: [GroundingBox] = []
  var point: GroundingPoint?
  var radius: Double?

  /// By how much a box may stick out of the image, in pixels; it is cut off.
  static let tolerance = 1.0

  /// The target in the unit of the item, checked and cut to the image.
  func target(
    scale: GroundingPoint,
    unit: TargetUnit,
    size: PixelSize?
  ) throws(RowFault) -> GroundingTarget {
    let limits: GroundingPoint?
    switch unit {
    case .shares: limits = GroundingPoint(x: 1, y: 1)
    case .pixels: limits = size.map { GroundingPoint(x: Double($0.width), y: Double($0.height)) }
    }
    // A pixel's worth of shares, for images of a thousand pixels or more.
    let tolerance = unit == .pixels ? Self.tolerance : 1e-3
    if let point {
      let place = GroundingPoint(x: point.x * scale.x, y: point.y * scale.y)
      let box = GroundingBox(x0: place.x, y0: place.y, x1: place.x, y1: place.y)
      let cut = try cut(box, limits, tolerance)
      return GroundingTarget(point: GroundingPoint(x: cut.x0, y: cut.y0), radius: radius)
    }
    guard !boxes.isEmpty else { throw RowFault("no box") }
    var cuts: [GroundingBox] = []
    for box in boxes {
      let scaled = GroundingBox(
        x0: box.x0 * scale.x,
        y0: box.y0 * scale.y,
        x1: box.x1 * scale.x,
        y1: box.y1 * scale.y
      )
      cuts.append(try cut(scaled, limits, tolerance))
    }
    return GroundingTarget(boxes: cuts)
  }

  private func cut(
    _ box: GroundingBox,
    _ limits: GroundingPoint?,
    _ tolerance: Double
  ) throws(RowFault) -> GroundingBox {
    guard box.isValid else {
      throw RowFault("the box \(Self.text(box)) has its sides in the wrong order")
    }
    let far = limits ?? GroundingPoint(x: .infinity, y: .infinity)
    guard box.x0 > -tolerance, box.y0 > -tolerance, box.x1 < far.x + tolerance,
      box.y1 < far.y + tolerance
    else {
      let image = limits.map { " of \($0.x) × \($0.y)" } ?? ""
      throw RowFault("the box \(Self.text(box)) sticks out of the image\(image)")
    }
    return GroundingBox(
      x0: min(max(box.x0, 0), far.x),
      y0: min(max(box.y0, 0), far.y),
      x1: min(max(box.x1, 0), far.x),
      y1: min(max(box.y1, 0), far.y)
    )
  }

  private static func text(_ box: GroundingBox) -> String {
    "(\(box.x0), \(box.y0), \(box.x1), \(box.y1))"
  }
}
