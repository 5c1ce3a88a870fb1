public import Tensor

/// How the labels of a voxel's points become the label of the voxel.
public enum VoxelLabels: String, Codable, CaseIterable, Sendable {
  /// The most frequent label, the smallest of equally frequent ones; 0, the background, counts only
  /// where there is nothing else. What training uses.
  case majority
  /// The most frequent label, the smallest of equally frequent ones, the background like any other.
  case plainMajority
  /// The label that all points have, 0 where they differ: as DGLSS and MinkowskiEngine do.
  case unanimous

  /// The label of each voxel.
  ///
  /// - Shapes: labels [P], result [V].
  /// - Complexity: O(P log n) for n points in the fullest voxel, on several threads.
  public func callAsFunction(_ labels: Tensor<Int32>, of members: VoxelMembers) -> Tensor<Int32> {
    expect(
      labels.shape == [members.pointCount],
      "voxel labels: labels \(labels.shape) of \(members.pointCount) points"
    )
    return labels.withUnsafeElements { labels in
      Tensor(uninitialized: [members.voxelCount]) { target in
        members.forEachRange(work: 8) { voxels, groups in
          withUnsafeTemporaryAllocation(of: Int32.self, capacity: members.largest) { space in
            for voxel in voxels {
              let points = groups(voxel)
              var votes = UnsafeMutableBufferPointer(rebasing: space[..<points.count])
              for (place, point) in points.enumerated() { votes[place] = labels[Int(point)] }
              votes.sort()
              target[voxel] = winner(UnsafeBufferPointer(votes))
            }
          }
        }
      }
    }
  }

  /// The label that sorted votes give.
  private func winner(_ votes: UnsafeBufferPointer<Int32>) -> Int32 {
    guard let first = votes.first, let last = votes.last, first != last else {
      return votes.first ?? 0
    }
    if self == .unanimous { return 0 }
    var (best, bestCount) = (Int32(0), 0)
    var start = 0
    while start < votes.count {
      var end = start + 1
      while end < votes.count, votes[end] == votes[start] { end += 1 }
      let votesAtAll = self == .plainMajority || votes[start] != 0
      if votesAtAll && end - start > bestCount { (best, bestCount) = (votes[start], end - start) }
      start = end
    }
    return best
  }
}
