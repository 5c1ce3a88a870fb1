import Foundation
public import Tensor

extension BeamModel {
  /// The sensor with these beams alone, in their order: what a scan of which only they are left
  /// was made by.
  ///
  /// `beams` are indices of `elevations`, in ascending order if the result is to have the topmost
  /// beam first.
  public func keeping(_ beams: [Int]) -> BeamModel {
    for beam in beams {
      expect(
        elevations.indices.contains(beam),
        "beam model: beam \(beam) of \(name) with \(beamCount) beams"
      )
    }
    var model = self
    model.elevations = beams.map { elevations[$0] }
    return model
  }

  /// The sensor with another number of columns: many can be switched.
  public func withColumns(_ count: Int) -> BeamModel {
    var model = self
    model.columnCount = count
    return model
  }

  /// The beam of each point [P]: its ring where the scan has one, else the beam that is nearest in
  /// elevation.
  ///
  /// The nearest beam is also taken for a ring that the sensor does not have.
  ///
  /// - Precondition: the sensor has a beam, the topmost comes first.
  public func beams(of scan: LidarScan) -> Tensor<Int32> {
    expect(beamCount > 0, "beam model: \(name) has no beam")
    // The borders between neighbouring beams as sines, which spares an arc sine for each point.
    let borders = (0..<beamCount - 1).map {
      sin((elevations[$0] + elevations[$0 + 1]) / 2 * .pi / 180)
    }
    let count = Int32(clamping: beamCount)
    return Tensor(uninitialized: [scan.count]) { target in
      guard let to = target.baseAddress else { return }
      scan.positions.withUnsafeElements { points in
        scan.withRings { rings in
          WorkPool.forEachRange(count: scan.count, grain: 8192) { range in
            for index in range {
              if let rings, rings[index] >= 0, rings[index] < count {
                to[index] = rings[index]
                continue
              }
              let (x, y) = (Double(points[3 * index]), Double(points[3 * index + 1]))
              let z = Double(points[3 * index + 2])
              let range = (x * x + y * y + z * z).squareRoot()
              to[index] = Int32(nearestBeam(z / range, borders))
            }
          }
        }
      }
    }
  }
}

/// The number of borders above a sine: 0 if it is not a number.
private func nearestBeam(_ sine: Double, _ borders: [Double]) -> Int {
  var (low, high) = (0, borders.count)
  while low < high {
    let middle = (low + high) / 2
    if sine < borders[middle] { low = middle + 1 } else { high = middle }
  }
  return low
}

extension LidarScan {
  fileprivate func withRings<Result>(
    _ body: (UnsafeBufferPointer<Int32>?) -> Result
  ) -> Result {
    guard let rings else { return body(nil) }
    return rings.withUnsafeElements { body($0) }
  }
}
