public import Tensor

/// One sweep of a LiDAR sensor: points in the sensor's frame, and what the file says of each.
///
/// The frame is x forward, y left, z up, in metres, with the sensor at the origin. Readers bring
/// files of other axes into it. Labels are the raw ids of the data set; a `LabelMap` makes classes
/// of them.
///
/// - Shapes: positions [P × 3]; all others [P] or nil.
public struct LidarScan: Sendable {
  /// x, y, z of each point [P × 3] in metres.
  public var positions: Tensor<Float>
  /// The strength of each return [P], in the file's own unit; nil if the file has none.
  public var intensity: Tensor<Float>?
  /// The beam that each point came from [P], 0 the topmost; nil if the file does not say.
  public var rings: Tensor<Int32>?
  /// The raw label of each point [P]; nil without labels.
  public var labels: Tensor<Int32>?
  /// The raw instance of each point [P]; nil without labels.
  public var instances: Tensor<Int32>?

  /// A scan of points [P × 3] and what is known of each [P].
  public init(
    positions: Tensor<Float>,
    intensity: Tensor<Float>? = nil,
    rings: Tensor<Int32>? = nil,
    labels: Tensor<Int32>? = nil,
    instances: Tensor<Int32>? = nil
  ) {
    expect(
      positions.rank == 2 && positions.shape[1] == 3,
      "lidar scan: positions are [P × 3], found \(positions.shape)"
    )
    let shapes = [intensity?.shape, rings?.shape, labels?.shape, instances?.shape]
    for case .some(let shape) in shapes {
      expect(
        shape == [positions.shape[0]],
        "lidar scan: \(shape) values for the points \(positions.shape)"
      )
    }
    self.positions = positions
    self.intensity = intensity
    self.rings = rings
    self.labels = labels
    self.instances = instances
  }

  /// P, the number of points.
  public var count: Int { positions.shape[0] }

  /// The points with these indices, in their order, and all that is known of them.
  public func selecting(_ indices: [Int32]) -> LidarScan {
    let rows = Tensor(indices, shape: [indices.count])
    return LidarScan(
      positions: positions.taking(rows, axis: 0),
      intensity: intensity?.taking(rows, axis: 0),
      rings: rings?.taking(rows, axis: 0),
      labels: labels?.taking(rows, axis: 0),
      instances: instances?.taking(rows, axis: 0)
    )
  }

  /// The points whose index `isIncluded` accepts.
  public func filter(_ isIncluded: (_ index: Int) -> Bool) -> LidarScan {
    selecting((0..<count).filter(isIncluded).map { Int32($0) })
  }
}
