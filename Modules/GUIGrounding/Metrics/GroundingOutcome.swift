/// What came of one stage of a search on one item.
public struct StageOutcome: Hashable, Codable, Sendable {
  /// The answer after the stage, in pixels of the image.
  public var point: GroundingPoint?
  /// Whether that is right.
  public var isHit: Bool
  /// Whether the target's centre lies in what the stage showed: if not, it could not find it.
  public var holdsTarget: Bool
  /// The share of the weight near the answer.
  public var consensus: Double
  /// What the stage took.
  public var cost: InferenceCost
}

/// What came of one item: one line of an evaluation's log.
public struct GroundingOutcome: Hashable, Codable, Sendable {
  /// The item.
  public var id: String
  /// How the element is drawn: text, icon and so on.
  public var dataType: String?
  /// Its platform.
  public var platform: String?
  /// The field of the application.
  public var group: String?
  /// The application.
  public var application: String?
  /// The role of the element.
  public var kind: String?
  /// Its rank among equal ones, from 0.
  public var ordinal: Int?
  /// The area of the target as a share of the image's; nil where either is unknown.
  public var areaShare: Double?
  /// Where the policy clicked, in pixels of the image.
  public var point: GroundingPoint?
  /// Whether that is right.
  public var isHit: Bool
  /// Whether a click on this target can be right at all; items of which only a point is known can
  /// be neither right nor wrong.
  public var isScorable: Bool
  /// Whether no answer named a place.
  public var isWrongFormat: Bool
  /// Why there is no answer, where the policy failed.
  public var failure: String?
  /// Whether later stages were skipped.
  public var stoppedEarly = false
  /// Stage by stage; empty for answers that came without a search.
  public var stages: [StageOutcome] = []
  /// What the answer took.
  public var cost = InferenceCost()

  /// The outcome of an answer that is known: a line of a log.
  ///
  /// - Parameters:
  ///   - item: the item, in pixels.
  ///   - point: the answer in pixels of the image; nil where there was none.
  public init(_ item: GroundingItem, point: GroundingPoint?) {
    id = item.id
    dataType = item.dataType
    platform = item.platform
    group = item.group
    application = item.application
    kind = item.kind
    ordinal = item.ordinal
    self.point = point
    let isInPixels = item.unit == .pixels
    isScorable = item.target.isScorable && isInPixels
    isHit = isInPixels && (point.map(item.target.contains) ?? false)
    isWrongFormat = point == nil
    if let box = item.target.boundingBox, let size = item.imageSize, isInPixels {
      areaShare = box.area / (Double(size.width) * Double(size.height))
    }
  }

  /// The outcome of a search.
  public init(_ item: GroundingItem, _ result: SearchResult) {
    self.init(item, point: result.point)
    cost = result.cost
    stoppedEarly = result.stoppedEarly
    stages = result.stages.map { stage in
      StageOutcome(
        point: stage.point,
        isHit: isScorable && stage.point.map(item.target.contains) ?? false,
        holdsTarget: item.target.center.map(GroundingBox(stage.region).contains) ?? false,
        consensus: stage.consensus,
        cost: stage.cost
      )
    }
  }

  /// The outcome of an item on which the policy failed.
  public init(_ item: GroundingItem, failure: String) {
    self.init(item, point: nil)
    isWrongFormat = false
    self.failure = failure
  }
}

/// Why outcomes cannot be compared.
public enum GroundingMetricsError: Error, Equatable, Sendable {
  /// An item occurs twice in one run.
  case repeatedItem(String)
  /// An item is in one run only.
  case unpairedItem(String)
}

extension GroundingMetricsError: CustomStringConvertible {
  /// The item, and what to do.
  public var description: String {
    switch self {
    case .repeatedItem(let id): "compare: item \(id) occurs twice in one run"
    case .unpairedItem(let id): "compare: item \(id) is in one run only; evaluate the same items"
    }
  }
}
