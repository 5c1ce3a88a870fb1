import Foundation
import Tensor

/// Where the points of a scan lie as its sensor sees them: all that are far enough to tell.
struct ScanDirections {
  /// Nearer points are returns from the vehicle, or too inexact in direction, in metres.
  static let leastRange = 2.0
  /// The points that a histogram of elevations takes are farther than this, in metres.
  static let leastHistogramRange = 5.0
  /// The width of its bins in degrees.
  static let binWidth = 0.1

  /// The points' places in the scan.
  private(set) var indices: [Int] = []
  /// In degrees.
  private(set) var elevations: [Double] = []
  /// In degrees, from 0 up to 360.
  private(set) var azimuths: [Double] = []
  private(set) var ranges: [Double] = []

  init(_ scan: LidarScan) {
    scan.positions.withUnsafeElements { points in
      for index in 0..<scan.count {
        let (x, y) = (Double(points[3 * index]), Double(points[3 * index + 1]))
        let z = Double(points[3 * index + 2])
        let range = (x * x + y * y + z * z).squareRoot()
        guard range > Self.leastRange, range.isFinite else { continue }
        let azimuth = atan2(y, x) * 180 / .pi
        indices.append(index)
        elevations.append(asin(z / range) * 180 / .pi)
        azimuths.append(azimuth < 0 ? azimuth + 360 : azimuth)
        ranges.append(range)
      }
    }
  }

  /// The range of the farthest point.
  var farthest: Double { ranges.max() ?? 0 }

  /// The first way of finding beams that fits the scan.
  func method(of scan: LidarScan) -> BeamEstimation {
    if scan.rings != nil { return .rings }
    return isInRingOrder ? .azimuthJumps : .elevationHistogram
  }

  /// Whether the points come ring by ring from the top: several rings of some points each, nine of
  /// ten below the one before.
  private var isInRingOrder: Bool {
    guard let beams = try? RingBeams(self, ringsByAzimuth()) else { return false }
    let medians = beams.medians.compactMap { $0 }
    let falling = zip(medians, medians.dropFirst()).filter { $0 > $1 }.count
    return medians.count >= 2 && indices.count >= 16 * medians.count
      && falling * 10 >= (medians.count - 1) * 9
  }

  /// The ring of each point: a new one starts where the azimuth jumps from above 270 degrees to
  /// below 90.
  ///
  /// Files differ in where a turn starts, so the azimuth is counted from ahead, as in KITTI, and
  /// from behind, and the cut at which the elevations jump more is taken.
  func ringsByAzimuth() -> [Int32] {
    let (ahead, behind) = (jumps(from: 0), jumps(from: 180))
    let best = rise(at: behind) > rise(at: ahead) ? behind : ahead
    var rings = Array(repeating: Int32(0), count: indices.count)
    for start in best { rings[start] = 1 }
    for index in rings.indices.dropFirst() { rings[index] += rings[index - 1] }
    return rings
  }

  /// The places whose azimuth, counted from `cut`, is below 90 after one above 270.
  private func jumps(from cut: Double) -> [Int] {
    func counted(_ azimuth: Double) -> Double { azimuth - cut + (azimuth < cut ? 360 : 0) }
    return azimuths.indices.dropFirst().filter {
      counted(azimuths[$0 - 1]) > 270 && counted(azimuths[$0]) < 90
    }
  }

  /// By how much the elevation typically jumps at these places; less than 0 if there are none.
  private func rise(at places: [Int]) -> Double {
    SortedValues.median(of: places.map { abs(elevations[$0] - elevations[$0 - 1]) }) ?? -1
  }

  /// The ring of each point: the peak of the elevation histogram that is nearest.
  func ringsByHistogram() throws(BeamModelError) -> [Int32] {
    let peaks = histogramPeaks()
    guard !peaks.isEmpty else {
      throw .notEstimable(
        reason: "no point is farther than \(Self.leastHistogramRange) m, of which beams are told"
      )
    }
    let borders = zip(peaks, peaks.dropFirst()).map { ($0 + $1) / 2 }
    return elevations.map { elevation in
      // The first border that is not above.
      var (low, high) = (0, borders.count)
      while low < high {
        let middle = (low + high) / 2
        if elevation < borders[middle] { low = middle + 1 } else { high = middle }
      }
      return Int32(low)
    }
  }

  /// The elevations of bins that hold more points than their neighbours, and more than half of what
  /// such bins hold in the median; the topmost first.
  private func histogramPeaks() -> [Double] {
    let binCount = Int(180 / Self.binWidth)
    var bins = Array(repeating: 0, count: binCount + 2)  // an empty one at each end
    for (elevation, range) in zip(elevations, ranges) where range > Self.leastHistogramRange {
      bins[min(max(Int((elevation + 90) / Self.binWidth), 0), binCount - 1) + 1] += 1
    }
    let peaks = (1...binCount).filter { bins[$0] > bins[$0 - 1] && bins[$0] >= bins[$0 + 1] }
    let height = SortedValues.median(of: peaks.map { Double(bins[$0]) }) ?? 0
    return peaks.reversed().filter { Double(bins[$0]) > height / 2 }
      .map { (Double($0) - 0.5) * Self.binWidth - 90 }
  }
}
