public import Autograd
public import Tensor

/// Points sorted into the cells of a grid.
///
///     cell = floor((x, y, z + shift) / size)      in single precision
///
/// Voxels are the cells that hold a point, in the order of (batch, x, y, z). The shift moves the grid
/// along z and nothing else: with the height of the sensor above the road as the shift, the ground
/// lies at one place in the grid for every sensor.
///
/// - Shapes: P points, V voxels.
/// - Complexity: O(P).
public struct Voxelization {
  /// batch, x, y, z of each voxel [V × 4], ascending.
  public let coordinates: Tensor<Int32>
  /// The voxel of each point [P].
  public let pointToVoxel: Tensor<Int32>
  /// The number of points in each voxel [V].
  public let counts: Tensor<Int32>
  /// The first point of each voxel [V].
  public let firstPoints: Tensor<Int32>
  /// The edge of a voxel in metres.
  public let voxelSize: Float
  /// What was added to z before the cell was taken.
  public let heightShift: Float
  /// The voxels as sites of sparse convolutions.
  public let sites: SparseSites

  /// V, the number of voxels.
  public var count: Int { coordinates.shape[0] }

  /// Sorts points into voxels.
  ///
  /// - Parameters:
  ///   - positions: x, y, z of each point [P × 3] in metres.
  ///   - batch: the scan of the batch that each point belongs to [P], 0 for all by default.
  ///   - voxelSize: the edge of a voxel in metres.
  ///   - heightShift: what is added to z.
  /// - Throws: `VoxelError` if a number is not finite, a cell lies outside the grid, or the size is
  ///   not above 0.
  public init(
    _ positions: Tensor<Float>,
    batch: Tensor<Int32>? = nil,
    voxelSize: Float,
    heightShift: Float = 0
  ) throws(VoxelError) {
    expect(
      positions.rank == 2 && positions.shape[1] == 3,
      "voxels: positions are [P × 3], found \(positions.shape)"
    )
    expect(
      batch.map { $0.shape == [positions.shape[0]] } ?? true,
      "voxels: scans \(batch?.shape ?? []) for the points \(positions.shape)"
    )
    guard voxelSize > 0, voxelSize.isFinite else { throw .invalidVoxelSize(voxelSize) }
    let cells = CellKeys(voxelSize: voxelSize, heightShift: heightShift)
    let keys = try cells.keys(of: positions, batch)
    let order = VoxelKeys.order(of: keys)
    let groups = KeyGroups(keys, in: order)
    coordinates = VoxelKeys.coordinates(of: groups.keys)
    pointToVoxel = Tensor(groups.groupOfRow)
    counts = Tensor(groups.counts)
    firstPoints = Tensor(groups.firstRows)
    self.voxelSize = voxelSize
    self.heightShift = heightShift
    sites = SparseSites(coordinates: coordinates, keys: groups.keys, stride: 1)
  }

  /// The mean of the points' features in each voxel; features [P × C], result [V × C].
  public func mean(of features: Variable) -> Variable {
    features.segmentMean(pointToVoxel, count: count)
  }

  /// The largest of the points' features in each voxel; features [P × C], result [V × C].
  ///
  /// Points that share the largest value share its gradient.
  public func maximum(of features: Variable) -> Variable {
    features.segmentMax(pointToVoxel, count: count)
  }

  /// What each point's voxel holds; values [V × C], result [P × C].
  public func gather(_ values: Variable) -> Variable { values.taking(pointToVoxel, axis: 0) }

  /// What each point's voxel holds; values [V × …], result [P × …].
  public func gather<Element: TensorElement>(_ values: Tensor<Element>) -> Tensor<Element> {
    values.taking(pointToVoxel, axis: 0)
  }

  /// The centre of each voxel [V × 3] in the frame of the points.
  public var centers: Tensor<Float> {
    coordinates.withUnsafeElements { cells in
      Tensor(uninitialized: [count, 3]) { target in
        for row in 0..<count {
          for axis in 0..<3 {
            let shift = axis == 2 ? heightShift : 0
            target[3 * row + axis] = (Float(cells[4 * row + axis + 1]) + 0.5) * voxelSize - shift
          }
        }
      }
    }
  }
}

/// Makes keys of positions.
private struct CellKeys {
  let voxelSize: Float
  let heightShift: Float

  func keys(
    of positions: Tensor<Float>,
    _ batch: Tensor<Int32>?
  ) throws(VoxelError) -> [UInt64] {
    let count = positions.shape[0]
    var wrong = -1
    let batches = batch?.elements
    let keys = positions.withUnsafeElements { points in
      [UInt64](unsafeUninitializedCapacity: count) { keys, initialized in
        let (low, high) = (Float(VoxelKey.limits.lowerBound), Float(VoxelKey.limits.upperBound))
        for row in 0..<count {
          let x = (points[3 * row] / voxelSize).rounded(.down)
          let y = (points[3 * row + 1] / voxelSize).rounded(.down)
          let z = ((points[3 * row + 2] + heightShift) / voxelSize).rounded(.down)
          let scan = batches.map { Int($0[row]) } ?? 0
          // A NaN fails every comparison.
          let isInside =
            x >= low && x <= high && y >= low && y <= high && z >= low && z <= high
            && VoxelKey.batchLimits.contains(scan)
          guard isInside else {
            if wrong < 0 { wrong = row }
            keys[row] = 0
            continue
          }
          keys[row] = VoxelKey(batch: scan, x: Int(x), y: Int(y), z: Int(z)).value
        }
        initialized = count
      }
    }
    if wrong >= 0 { throw error(at: wrong, positions, batches) }
    return keys
  }

  private func error(
    at row: Int,
    _ positions: Tensor<Float>,
    _ batches: [Int32]?
  ) -> VoxelError {
    let position = (0..<3).map { axis in
      positions.withUnsafeElements { $0[3 * row + axis] }
    }
    guard position.allSatisfy(\.isFinite) else {
      return .notFinite(point: row, position: position)
    }
    if let scan = batches?[row], !VoxelKey.batchLimits.contains(Int(scan)) {
      return .invalidBatch(row: row, batch: Int(scan), limits: VoxelKey.batchLimits)
    }
    let shifted = [position[0], position[1], position[2] + heightShift]
    let cells = shifted.map { ($0 / voxelSize).rounded(.down) }
    return .outOfRange(row: row, coordinates: cells, limits: VoxelKey.limits)
  }
}

/// Rows with equal keys, in the order of the keys.
struct KeyGroups {
  private(set) var keys: [UInt64] = []
  private(set) var groupOfRow: [Int32]
  private(set) var counts: [Int32] = []
  private(set) var firstRows: [Int32] = []

  /// Groups rows by their keys; `order` lists them with ascending keys.
  init(_ rowKeys: [UInt64], in order: [Int32]) {
    var groupOfRow = [Int32](repeating: 0, count: rowKeys.count)
    keys.reserveCapacity(rowKeys.count / 2)
    for row in order {
      let key = rowKeys[Int(row)]
      if keys.last != key {
        keys.append(key)
        firstRows.append(row)
        counts.append(0)
      }
      counts[counts.count - 1] += 1
      groupOfRow[Int(row)] = Int32(truncatingIfNeeded: keys.count - 1)
    }
    self.groupOfRow = groupOfRow
  }
}
