/// What the numbers of a model's answer mean.
public enum CoordinateSpace: String, Codable, CaseIterable, Sendable {
  /// Pixels of the view that the model sees: Qwen2.5-VL, UI-TARS-1.5, GTA1, GUI-R1, InfiGUI.
  case inputPixels = "input_pixels"
  /// Thousandths of each side, 0 to 1000: Qwen2-VL, UGround-V1, OS-Atlas, UI-TARS-1, Qwen3-VL.
  case thousand
  /// 0 to 999 of each side: DeepSeek-VL2.
  case nine99
  /// Shares of each side, 0 to 1: SeeClick, ShowUI, Aguvis.
  case unit
  /// Percent of each side: Molmo.
  case hundred
  /// Pixels of the picture before it was brought to the size of the view: UGround's first release,
  /// GPT-4o, Claude.
  case imagePixels = "image_pixels"
}

/// In which order an answer names the two coordinates.
public enum CoordinateOrder: String, Codable, CaseIterable, Sendable {
  /// x first.
  case xy
  /// y first: Gemini.
  case yx
}

/// How the numbers of an answer become a place, and back.
///
///     let gemini = CoordinateConvention(.thousand, order: .yx)
///     let point = gemini.toView(GroundingPoint(x: 250, y: 500), view: view, source: picture)
public struct CoordinateConvention: Hashable, Codable, Sendable {
  /// What the numbers mean.
  public var space: CoordinateSpace
  /// Which comes first.
  public var order: CoordinateOrder

  /// A convention.
  public init(_ space: CoordinateSpace, order: CoordinateOrder = .xy) {
    (self.space, self.order) = (space, order)
  }

  /// A point as it was written, in pixels of the view.
  ///
  /// - Parameters:
  ///   - written: the two numbers in the order of the text.
  ///   - view: the extents of what the model sees.
  ///   - source: the extents of the picture before it was brought to the view's size.
  /// - Returns: the point, which may lie outside the view.
  public func toView(
    _ written: GroundingPoint,
    view: PixelSize,
    source: PixelSize
  ) -> GroundingPoint {
    let point = swapped(written)
    let extent = extent(view: view, source: source)
    return GroundingPoint(
      x: point.x * Double(view.width) / extent.x,
      y: point.y * Double(view.height) / extent.y
    )
  }

  /// A point as it was written, in pixels of the picture before it was resized.
  public func toSource(
    _ written: GroundingPoint,
    view: PixelSize,
    source: PixelSize
  ) -> GroundingPoint {
    let point = swapped(written)
    let extent = extent(view: view, source: source)
    return GroundingPoint(
      x: point.x * Double(source.width) / extent.x,
      y: point.y * Double(source.height) / extent.y
    )
  }

  /// A box as it was written, in pixels of the view.
  public func toView(
    _ written: GroundingBox,
    view: PixelSize,
    source: PixelSize
  ) -> GroundingBox {
    let start = toView(GroundingPoint(x: written.x0, y: written.y0), view: view, source: source)
    let end = toView(GroundingPoint(x: written.x1, y: written.y1), view: view, source: source)
    return GroundingBox(x0: start.x, y0: start.y, x1: end.x, y1: end.y)
  }

  /// The two numbers to write for a point of the view.
  public func written(
    _ point: GroundingPoint,
    view: PixelSize,
    source: PixelSize
  ) -> GroundingPoint {
    let extent = extent(view: view, source: source)
    return swapped(
      GroundingPoint(
        x: point.x * extent.x / Double(view.width),
        y: point.y * extent.y / Double(view.height)
      )
    )
  }

  private func swapped(_ point: GroundingPoint) -> GroundingPoint {
    switch order {
    case .xy: point
    case .yx: GroundingPoint(x: point.y, y: point.x)
    }
  }

  /// What the far side of each axis is written as.
  private func extent(view: PixelSize, source: PixelSize) -> GroundingPoint {
    switch space {
    case .inputPixels: GroundingPoint(x: Double(view.width), y: Double(view.height))
    case .imagePixels: GroundingPoint(x: Double(source.width), y: Double(source.height))
    case .thousand: GroundingPoint(x: 1000, y: 1000)
    case .nine99: GroundingPoint(x: 999, y: 999)
    case .hundred: GroundingPoint(x: 100, y: 100)
    case .unit: GroundingPoint(x: 1, y: 1)
    }
  }
}
