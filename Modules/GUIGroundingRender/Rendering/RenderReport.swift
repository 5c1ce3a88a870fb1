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

  init(_ records: [PageRecord]) {
    var areas: [Double] = []
    for record in records {
      sparseShots += record.sparseShots
      if !record.shots.isEmpty {
        pages += 1
      } else {
        failures[record.failure ?? "too few elements", default: 0] += 1
      }
      for shot in record.shots { add(shot, &areas) }
    }
    areas.sort()
    guard !areas.isEmpty else { return }
    areaDeciles = (0...10).map { areas[($0 * (areas.count - 1) + 5) / 10] }
  }

  private mutating func add(_ shot: ShotRecord, _ areas: inout [Double]) {
    shots += 1
    found += shot.foundCount
    ambiguous += shot.ambiguousCount
    moved += shot.movedCount
    rejected.merge(shot.rejected) { $0 + $1 }
    nameSources.merge(shot.nameSources) { $0 + $1 }
    for row in shot.rows {
      kept += 1
      splits[row["split"]?.stringValue ?? "", default: 0] += 1
      sets[row["source"]?.stringValue ?? "", default: 0] += 1
      kinds[row["kind"]?.stringValue ?? "", default: 0] += 1
      dataTypes[row["data_type"]?.stringValue ?? "", default: 0] += 1
      if row["ordinal"]?.intValue != nil { ordinals += 1 }
      let box = (row["bbox"]?.arrayValue ?? []).compactMap(\.doubleValue)
      let size = (row["image_size"]?.arrayValue ?? []).compactMap(\.doubleValue)
      guard box.count == 4, size.count == 2 else { continue }
      areas.append((box[2] - box[0]) * (box[3] - box[1]) / (size[0] * size[1]))
    }
  }
}
