public import Tensor

/// Points with the density of the sensor that saw them: one training example, or a part of one.
///
/// The density is computed in the sensor's own frame when the cloud is made, and stays with the
/// points when they are moved, scaled or joined with those of another scan. Spherical inputs of a
/// network are computed from `positions`, in the common frame, when all that is done.
///
/// - Shapes: positions [P × 3], density [P × 4], labels [P] or nil.
public struct DensityCloud: Sendable {
  /// x, y, z of each point in metres.
  public var positions: Tensor<Float>
  /// The four densities of each point, not clipped.
  public var density: Tensor<Float>
  /// The label of each point: raw ids or classes, as the scan had them.
  public var labels: Tensor<Int32>?

  /// Points, their densities and their labels.
  public init(positions: Tensor<Float>, density: Tensor<Float>, labels: Tensor<Int32>?) {
    let count = positions.shape[0]
    expect(
      positions.shape == [count, 3] && density.shape == [count, BeamDensity.channelCount],
      "density cloud: positions \(positions.shape) with densities \(density.shape)"
    )
    if let labels {
      expect(labels.shape == [count], "density cloud: \(labels.shape) labels of \(count) points")
    }
    self.positions = positions
    self.density = density
    self.labels = labels
  }

  /// The points of a scan as its sensor sees them.
  public init(_ scan: SensedScan) { self.init(scan.scan, density: BeamDensity(scan.model)) }

  /// The points of a scan, with the densities of a sensor whose profiles are there already.
  public init(_ scan: LidarScan, density: BeamDensity) {
    self.init(positions: scan.positions, density: density(scan.positions), labels: scan.labels)
  }

  /// P, the number of points.
  public var count: Int { positions.shape[0] }

  /// The points with these indices, in their order.
  public func selecting(_ indices: [Int32]) -> DensityCloud {
    let rows = Tensor(indices, shape: [indices.count])
    return DensityCloud(
      positions: positions.taking(rows, axis: 0),
      density: density.taking(rows, axis: 0),
      labels: labels?.taking(rows, axis: 0)
    )
  }

  /// The points of this cloud, then those of another.
  ///
  /// - Precondition: Both have labels, or neither has.
  public func joined(with other: DensityCloud) -> DensityCloud {
    expect(
      (labels == nil) == (other.labels == nil),
      "join clouds: one of them has labels, the other has none"
    )
    var all: Tensor<Int32>?
    if let labels, let others = other.labels { all = .concatenating([labels, others], axis: 0) }
    return DensityCloud(
      positions: .concatenating([positions, other.positions], axis: 0),
      density: .concatenating([density, other.density], axis: 0),
      labels: all
    )
  }
}
