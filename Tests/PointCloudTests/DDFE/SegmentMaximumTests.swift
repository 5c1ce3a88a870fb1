import Autograd
import PointCloud
import Tensor
import TestSupport
import Testing

@Suite struct SegmentMaximumTests {
  @Test func theLowestOfEqualPointsGetsTheGradient() {
    // Voxel 0 has the points 1, 3 and 4; voxel 1 the points 0 and 2.
    let members = VoxelMembers(pointToVoxel: Tensor([1, 0, 1, 0, 0]), voxelCount: 2)
    let x = Variable(
      following: Tensor([5, 0, 2, 7, 5, 1, 2, 9, 1, 9], shape: [5, 2])
    )
    let y = segmentMaximum(x, of: members)
    #expect(y.value.elements == [2, 9, 5, 1])
    y.backward(from: Tensor([1, 2, 3, 4], shape: [2, 2]))
    #expect(x.gradient?.elements == [3, 0, 1, 0, 0, 4, 0, 2, 0, 0])
  }

  @Test(arguments: [1, 3, 17, 64], [1, 17, 3_001]) func asTheNaiveOne(width: Int, count: Int) {
    var generator = Philox(seed: UInt64(width * count))
    let voxelCount = max(1, count / 4)
    var voxels = (0..<count).map { _ in Int32(generator.next() % UInt64(voxelCount)) }
    for voxel in 0..<voxelCount { voxels[count - 1 - voxel] = Int32(voxel) }
    let x = Tensor<Float>.uniform([count, width], from: -1, to: 1, using: &generator)
    let members = VoxelMembers(pointToVoxel: Tensor(voxels), voxelCount: voxelCount)
    let variable = Variable(following: x)
    let y = segmentMaximum(variable, of: members)
    #expect(y.value == x.segmentMax(Tensor(voxels), count: voxelCount))
    let upstream = Tensor<Float>.uniform(y.shape, from: -1, to: 1, using: &generator)
    y.backward(from: upstream)
    let reference = Variable(following: x)
    reference.segmentMax(Tensor(voxels), count: voxelCount).backward(from: upstream)
    // Random numbers are never equal, so sharing among equal ones does not show.
    #expect(variable.gradient == reference.gradient)
  }

  @Test func gradientByDifferences() {
    let voxels: [Int32] = [2, 0, 1, 0, 2, 2, 1]
    let members = VoxelMembers(pointToVoxel: Tensor(voxels), voxelCount: 3)
    GradientCheck()("segment maximum", [[7, 5]]) {
      segmentMaximum($0[0], of: members)
    } oracle: {
      let x = $0[0].elements
      var result = [Double](repeating: -.infinity, count: 15)
      for point in 0..<7 {
        for column in 0..<5 {
          let place = Int(voxels[point]) * 5 + column
          result[place] = max(result[place], x[point * 5 + column])
        }
      }
      return Tensor(result, shape: [3, 5])
    }
  }

  @Test func notANumberCountsAsLargest() {
    let members = VoxelMembers(pointToVoxel: Tensor([0, 0, 0]), voxelCount: 1)
    let y = segmentMaximum(Variable(Tensor([1, .nan, 3], shape: [3, 1])), of: members)
    #expect(y.value.elements[0].isNaN)
  }

  @Test func nothingAtAll() {
    let members = VoxelMembers(pointToVoxel: .zeros([0]), voxelCount: 0)
    let x = Variable(following: .zeros([0, 3]))
    let y = segmentMaximum(x, of: members)
    #expect(y.shape == [0, 3])
    y.backward(from: .zeros([0, 3]))
    #expect(x.gradient?.shape == [0, 3])
  }

  @Test func anEmptyVoxelIsNamed() async throws {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = VoxelMembers(pointToVoxel: Tensor([0, 2]), voxelCount: 3)
    }
    let text = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
    #expect(text.contains("voxel 1 of 3 has no points"))
  }
}
