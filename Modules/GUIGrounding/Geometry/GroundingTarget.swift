/// What an instruction means on an image: a click anywhere in it is right.
///
/// An element may own several boxes, such as a link that is broken over lines. Data sets of points
/// know no box: their targets are right within a radius, or cannot be scored at all.
public struct GroundingTarget: Hashable, Codable, Sendable {
  /// The boxes, in image pixels.
  public var boxes: [GroundingBox]
  /// A point that stands for an element whose box is unknown.
  public var point: GroundingPoint?
  /// How far from `point` a click is right; nil where nobody says so.
  public var radius: Double?

  /// A target of boxes.
  public init(boxes: [GroundingBox]) { self.boxes = boxes }

  /// A target of one box.
  public init(box: GroundingBox) { self.init(boxes: [box]) }

  /// A target of which only a point is known.
  public init(point: GroundingPoint, radius: Double? = nil) {
    boxes = []
    self.point = point
    self.radius = radius
  }

  /// The largest box, the first of equal ones; nil for a target of a point.
  public var boundingBox: GroundingBox? {
    var largest: GroundingBox?
    for box in boxes where box.area > (largest?.area ?? -1) { largest = box }
    return largest
  }

  /// Where a policy should click: the centre of the largest box, or the point.
  public var center: GroundingPoint? { boundingBox?.center ?? point }

  /// Whether a click can be called right or wrong.
  public var isScorable: Bool { !boxes.isEmpty || (point != nil && radius != nil) }

  /// Whether a click is right: in any box, its sides included, or within the radius.
  public func contains(_ click: GroundingPoint) -> Bool {
    if boxes.contains(where: { $0.contains(click) }) { return true }
    guard let point, let radius else { return false }
    return point.distance(to: click) <= radius
  }
}
