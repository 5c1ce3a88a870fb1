import Checkpoints
import GUIGrounding

/// What a run of rendering gave, to judge whether its data are good.
public struct RenderReport: Codable, Hashable, Sendable {
  /// Pages that gave at least one picture.
  public var pages = 0
  /// Pages without one, by the reason.
  public var failures: [String: Int] = [:]
  /// Pictures.
  public var shots = 0
  /// Pictures that were left out for having too few elements.
  public var sparseShots = 0
  /// Elements that could be clicked in the pictures.
  public var found = 0
  /// Rows: elements with an instruction.
  public var kept = 0
  /// Elements that no instruction names alone.
  public var ambiguous = 0
  /// Elements that moved while the picture was taken.
  public var moved = 0
  /// Candidates that were rejected, by the reason.
  public var rejected: [String: Int] = [:]
  /// Where the names of rows come from.
  public var nameSources: [String: Int] = [:]
  /// Rows by the part of the data.
  public var splits: [String: Int] = [:]
  /// Rows by the set of pages.
  public var sets: [String: Int] = [:]
  /// Rows by the kind of element.
  public var kinds: [String: Int] = [:]
  /// Rows by how the element is drawn.
  public var dataTypes: [String: Int] = [:]
  /// Rows whose instruction has a rank.
  public var ordinals = 0
  /// Box areas as shares of the picture: the smallest, nine deciles, the largest.
  public var areaDeciles: [Double] = []

  /// Nothing.
  public init() {}
}

/// Adds up a report, page by page.
struct RenderSummary {
  private var sums = RenderReport()
  private var areas: [Double] = []

  /// The report of all pages so far.
  var report: RenderReport {
    var report = sums
    let sorted = areas.sorted()
    if !sorted.isEmpty {
      report.areaDeciles = (0...10).map { sorted[($0 * (sorted.count - 1) + 5) / 10] }
    }
    return report
  }

  /// Adds a page.
  mutating func add(_ record: PageRecord) {
    sums.sparseShots += record.sparseShots
    if !record.shots.isEmpty {
      sums.pages += 1
    } else {
      sums.failures[record.failure ?? "too few elements", default: 0] += 1
    }
    for shot in record.shots { add(shot) }
  }

  private mutating func add(_ shot: ShotRecord) {
    sums.shots += 1
    sums.found += shot.foundCount
    sums.ambiguous += shot.ambiguousCount
    sums.moved += shot.movedCount
    sums.rejected.merge(shot.rejected) { $0 + $1 }
    sums.nameSources.merge(shot.nameSources) { $0 + $1 }
    for row in shot.rows { add(row) }
  }

  private mutating func add(_ row: JSONValue) {
    func text(_ key: String) -> String { row[key]?.stringValue ?? "" }
    sums.kept += 1
    sums.splits[text("split"), default: 0] += 1
    sums.sets[text("source"), default: 0] += 1
    sums.kinds[text("kind"), default: 0] += 1
    sums.dataTypes[text("data_type"), default: 0] += 1
    if row["ordinal"]?.intValue != nil { sums.ordinals += 1 }
    let box = (row["bbox"]?.arrayValue ?? []).compactMap(\.doubleValue)
    let size = (row["image_size"]?.arrayValue ?? []).compactMap(\.doubleValue)
    guard box.count == 4, size.count == 2 else { return }
    areas.append((box[2] - box[0]) * (box[3] - box[1]) / (size[0] * size[1]))
  }
}
