public import Tensor

/// Which points lie in which voxel: for every voxel the indices of its points, ascending.
///
/// Made once for a scan and used by everything that goes over the points of voxels: such loops run
/// over voxels on several threads, and each voxel meets its points in their order, so results never
/// depend on the thread count.
///
/// - Complexity: O(P + V) time and memory.
public struct VoxelMembers: Sendable {
  /// The voxel of each point [P].
  public let pointToVoxel: Tensor<Int32>
  /// Where the points of each voxel begin in `points`, and their number last [V + 1].
  let starts: [Int32]
  /// The points of voxel 0, then those of voxel 1, and so on [P].
  let points: [Int32]
  /// The largest number of points in a voxel.
  let largest: Int

  /// The points of each of `voxelCount` voxels, of which none may be empty.
  ///
  /// - Shapes: `pointToVoxel` [P] of 0 ..< voxelCount.
  public init(pointToVoxel: Tensor<Int32>, voxelCount: Int) {
    expect(
      pointToVoxel.rank == 1 && voxelCount >= 0,
      "voxel members: voxels \(pointToVoxel.shape) of points, \(voxelCount) voxels"
    )
    pointToVoxel.check(below: voxelCount, "voxel members", of: [voxelCount])
    let counts = pointToVoxel.segmentCounts(voxelCount)
    if let empty = counts.firstIndex(of: 0) {
      expect(false, "voxel members: voxel \(empty) of \(voxelCount) has no points")
    }
    var starts = [Int32](repeating: 0, count: voxelCount + 1)
    for (voxel, count) in counts.enumerated() { starts[voxel + 1] = starts[voxel] + Int32(count) }
    var next = starts
    self.points = [Int32](unsafeUninitializedCapacity: pointToVoxel.count) { places, count in
      pointToVoxel.withUnsafeElements { voxels in
        for (point, voxel) in voxels.enumerated() {
          places[Int(next[Int(voxel)])] = Int32(truncatingIfNeeded: point)
          next[Int(voxel)] += 1
        }
      }
      count = pointToVoxel.count
    }
    self.pointToVoxel = pointToVoxel
    self.starts = starts
    largest = counts.max() ?? 0
  }

  /// P, the number of points.
  public var pointCount: Int { points.count }
  /// V, the number of voxels.
  public var voxelCount: Int { starts.count - 1 }

  /// Calls `body` with ranges of voxels on several threads; the ranges depend on the shape alone.
  ///
  /// `work` is what a point costs, in elements.
  func forEachRange(work: Int, _ body: (_ voxels: Range<Int>, _ groups: VoxelGroups) -> Void) {
    let perVoxel = max(1, pointCount * work / max(voxelCount, 1))
    starts.withUnsafeBufferPointer { starts in
      points.withUnsafeBufferPointer { points in
        let groups = VoxelGroups(starts: starts, points: points)
        WorkPool.forEachRange(count: voxelCount, grain: max(1, (1 << 15) / perVoxel)) { voxels in
          body(voxels, groups)
        }
      }
    }
  }
}

/// The points of voxels as loops read them.
struct VoxelGroups {
  fileprivate let starts: UnsafeBufferPointer<Int32>
  fileprivate let points: UnsafeBufferPointer<Int32>

  /// The points of a voxel, ascending; at least one.
  @inline(__always)
  func callAsFunction(_ voxel: Int) -> UnsafeBufferPointer<Int32> {
    self(voxel..<voxel + 1)
  }

  /// The points of a range of voxels.
  @inline(__always)
  func callAsFunction(_ voxels: Range<Int>) -> UnsafeBufferPointer<Int32> {
    let places = Int(starts[voxels.lowerBound])..<Int(starts[voxels.upperBound])
    return UnsafeBufferPointer(rebasing: points[places])
  }
}
