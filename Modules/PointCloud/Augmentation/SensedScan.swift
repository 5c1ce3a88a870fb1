import Tensor

/// A scan and the sensor that made it, or would have made it: what beams are taken from or added to.
///
/// Augmentation has two stages. What changes the beams works on a `SensedScan`, because the density
/// of its points follows from scan and sensor together. `DensityCloud` computes the density once,
/// in the sensor's own frame; what moves or joins points works on that.
public struct SensedScan: Sendable {
  /// The points in the sensor's frame.
  public var scan: LidarScan
  /// The sensor; ring i of the scan is its beam i.
  public var model: BeamModel

  /// A scan of a sensor.
  public init(_ scan: LidarScan, of model: BeamModel) {
    self.scan = scan
    self.model = model
  }

  /// The points of these beams alone, and the sensor that has only them; rings are counted anew.
  ///
  /// A point belongs to its ring's beam, or to the beam that is nearest in elevation.
  ///
  /// `beams` are beams of the sensor in ascending order.
  public func keeping(_ beams: [Int]) -> SensedScan {
    let kept = model.keeping(beams)
    guard scan.count > 0, model.beamCount > 0 else { return SensedScan(scan, of: kept) }
    var places = Array(repeating: Int32(-1), count: model.beamCount)
    for (place, beam) in beams.enumerated() { places[beam] = Int32(place) }
    var (indices, rings): ([Int32], [Int32]) = ([], [])
    for (index, beam) in model.beams(of: scan).elements.enumerated() {
      let place = places[Int(beam)]
      guard place >= 0 else { continue }
      indices.append(Int32(index))
      rings.append(place)
    }
    var part = scan.selecting(indices)
    if scan.rings != nil { part.rings = .init(rings, shape: [rings.count]) }
    return SensedScan(part, of: kept)
  }
}
