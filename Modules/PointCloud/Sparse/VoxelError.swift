/// Why points or voxels cannot be used.
public enum VoxelError: Error, Hashable, Sendable {
  /// The edge of a voxel is not a positive number.
  case invalidVoxelSize(Float)
  /// A point has a coordinate that is NaN or infinite.
  case notFinite(point: Int, position: [Float])
  /// A voxel lies outside the grid.
  case outOfRange(row: Int, coordinates: [Float], limits: ClosedRange<Int>)
  /// A scan's number in the batch is negative or too large.
  case invalidBatch(row: Int, batch: Int, limits: ClosedRange<Int>)
  /// A row does not come after the one before it in the order of batch, x, y, z.
  case notAscending(row: Int, coordinates: [Int], previous: [Int])
}

extension VoxelError: CustomStringConvertible {
  /// What is wrong, where, and what to do.
  public var description: String {
    switch self {
    case .invalidVoxelSize(let size):
      "voxels: an edge of \(size) m; it must be above 0 and finite"
    case .notFinite(let point, let position):
      "voxels: point \(point) lies at \(position); drop points without a finite position"
    case .outOfRange(let row, let coordinates, let limits):
      "voxels: row \(row) has the coordinates \(coordinates), which must lie in \(limits); "
        + "crop the points or use larger voxels"
    case .invalidBatch(let row, let batch, let limits):
      "voxels: row \(row) belongs to scan \(batch) of the batch, which must lie in \(limits)"
    case .notAscending(let row, let coordinates, let previous):
      "voxels: row \(row) is \(coordinates) after \(previous); rows must ascend by batch, x, y, z "
        + "without repeats"
    }
  }
}
