import Foundation
import Tensor

/// A scan as rows of beams and columns of azimuth, without the empty places.
struct BeamColumns {
  /// Two points of neighbouring beams in one column, by their places in the scan.
  struct Pair {
    let upper: Int
    let lower: Int
  }

  /// The beam of each point.
  let beams: [Int32]
  /// The range of each point in metres.
  let ranges: [Double]
  /// The points of each beam by column, the nearest of each.
  private let rows: [[(column: Int, point: Int)]]

  init(_ scan: SensedScan) {
    let columnCount = scan.model.columnCount
    let beams = scan.model.beams(of: scan.scan).elements
    var ranges = Array(repeating: 0.0, count: beams.count)
    var rows = Array(repeating: [(column: Int, point: Int)](), count: scan.model.beamCount)
    scan.scan.positions.withUnsafeElements { points in
      for index in beams.indices {
        let (x, y) = (Double(points[3 * index]), Double(points[3 * index + 1]))
        let z = Double(points[3 * index + 2])
        let range = (x * x + y * y + z * z).squareRoot()
        guard range > 0, range.isFinite else { continue }
        ranges[index] = range
        let turn = atan2(y, x) / (2 * .pi)
        let column = Int((turn < 0 ? turn + 1 : turn) * Double(columnCount))
        rows[Int(beams[index])].append((min(column, columnCount - 1), index))
      }
    }
    self.beams = beams
    self.ranges = ranges
    self.rows = rows.map { Self.nearest($0, ranges) }
  }

  /// The columns in which a beam and the one below it both have a point.
  func pairs(of beam: Int) -> [Pair] {
    let (upper, lower) = (rows[beam], rows[beam + 1])
    var (pairs, next): ([Pair], Int) = ([], 0)
    for (column, point) in upper {
      while next < lower.count, lower[next].column < column { next += 1 }
      guard next < lower.count else { break }
      if lower[next].column == column { pairs.append(Pair(upper: point, lower: lower[next].point)) }
    }
    return pairs
  }

  /// A row in the order of its columns, with the nearest point of each.
  private static func nearest(
    _ row: [(column: Int, point: Int)],
    _ ranges: [Double]
  ) -> [(column: Int, point: Int)] {
    let sorted = row.sorted { a, b in
      (a.column, ranges[a.point], a.point) < (b.column, ranges[b.point], b.point)
    }
    var result: [(column: Int, point: Int)] = []
    for place in sorted where place.column != result.last?.column { result.append(place) }
    return result
  }
}
