import Autograd
import PointCloud
import Tensor
import TestSupport
import Testing

@Suite struct VoxelizationTests {
  private func points(_ values: [Float]) -> Tensor<Float> {
    Tensor(values, shape: [values.count / 3, 3])
  }

  @Test func cellsAreInOrderWithTheirPoints() throws {
    let voxels = try Voxelization(
      points([1.2, 0, 0, -0.1, 0, 0, 1.4, 0.3, 0.1, -0.1, 0.9, 0]),
      voxelSize: 0.5
    )
    // x = 2 holds points 0 and 2; x = −1 holds points 1 and 3 at y = 0 and 1.
    #expect(voxels.coordinates.elements == [0, -1, 0, 0, 0, -1, 1, 0, 0, 2, 0, 0])
    #expect(voxels.pointToVoxel.elements == [2, 0, 2, 1])
    #expect(voxels.counts.elements == [1, 1, 2])
    #expect(voxels.firstPoints.elements == [1, 3, 0])
    expectClose(
      voxels.centers.elements,
      [-0.25, 0.25, 0.25, -0.25, 0.75, 0.25, 1.25, 0.25, 0.25],
      absolute: 1e-6
    )
  }

  @Test func theShiftMovesTheGridAlongZ() throws {
    let cloud = points([0, 0, -1.73, 0, 0, -1.6])
    let voxels = try Voxelization(cloud, voxelSize: 0.2, heightShift: 1.73)
    #expect(voxels.coordinates.elements == [0, 0, 0, 0])
    expectClose(voxels.centers.elements, [0.1, 0.1, -1.63], absolute: 1e-6)
    #expect(try Voxelization(cloud, voxelSize: 0.2).count == 2)
  }

  @Test func scansOfABatchDoNotMix() throws {
    let cloud = points([0, 0, 0, 0, 0, 0, 0, 0, 0])
    let voxels = try Voxelization(cloud, batch: Tensor([1, 0, 1]), voxelSize: 1)
    #expect(voxels.coordinates.elements == [0, 0, 0, 0, 1, 0, 0, 0])
    #expect(voxels.pointToVoxel.elements == [1, 0, 1])
  }

  @Test func noPointsGiveNoVoxels() throws {
    let voxels = try Voxelization(.zeros([0, 3]), voxelSize: 0.1)
    #expect(voxels.count == 0)
    #expect(voxels.coordinates.shape == [0, 4])
    #expect(voxels.mean(of: Variable(.zeros([0, 2]))).shape == [0, 2])
  }

  @Test func manyPointsInOneVoxel() throws {
    var generator = Philox(seed: 5)
    let cloud = Tensor<Float>.uniform([5000, 3], from: 0, to: 0.99, using: &generator)
    let voxels = try Voxelization(cloud, voxelSize: 1)
    #expect(voxels.count == 1)
    #expect(voxels.counts.elements == [5000])
    #expect(voxels.firstPoints.elements == [0])
  }

  @Test func agreesWithASortOfTuples() throws {
    var generator = Philox(seed: 6)
    // Far apart, so that keys need more than 32 bits, and near.
    for (extent, size) in [(Float(13_000), Float(0.1)), (3, 0.5)] {
      let cloud = Tensor<Float>.uniform([3000, 3], from: -extent, to: extent, using: &generator)
      let batch = Tensor<Int32>.integers([3000], in: 0..<700, using: &generator)
      let voxels = try Voxelization(cloud, batch: batch, voxelSize: size)
      let (x, scans) = (cloud.elements, batch.elements)
      let cells = (0..<3000).map { row in
        [scans[row]] + (0..<3).map { Int32((x[3 * row + $0] / size).rounded(.down)) }
      }
      let unique = Set(cells).sorted { $0.lexicographicallyPrecedes($1) }
      #expect(voxels.coordinates.elements == unique.flatMap { $0 })
      let places = voxels.pointToVoxel.elements
      #expect((0..<3000).allSatisfy { unique[Int(places[$0])] == cells[$0] })
    }
  }

  @Test func badPointsAreRefused() throws {
    let cases: [(Float, String)] = [
      (.nan, "point 1 lies at"), (.infinity, "point 1 lies at"), (40_000, "must lie in"),
      (-40_000, "must lie in"), (3e38, "must lie in"),
    ]
    for (value, text) in cases {
      for axis in 0..<3 {
        var values: [Float] = [0, 0, 0, 1, 1, 1]
        values[3 + axis] = value
        let error = #expect(throws: VoxelError.self) {
          try Voxelization(points(values), voxelSize: 0.1)
        }
        #expect(error.map { String(describing: $0).contains(text) } == true, "\(value)")
      }
    }
    for size: Float in [0, -1, .nan, .infinity] {
      #expect(throws: VoxelError.self) { try Voxelization(.zeros([1, 3]), voxelSize: size) }
    }
    for scan: Int32 in [-1, 1024] {
      #expect(throws: VoxelError.invalidBatch(row: 0, batch: Int(scan), limits: 0...1023)) {
        try Voxelization(.zeros([1, 3]), batch: Tensor([scan]), voxelSize: 1)
      }
    }
  }

  @Test func gatheringAddsTheGradientsOfAVoxelsPoints() throws {
    let voxels = try Voxelization(points([0, 0, 0, 5, 0, 0, 0.1, 0, 0]), voxelSize: 1)
    let values = Variable(following: Tensor([1, 2], shape: [2, 1]))
    let gathered = voxels.gather(values)
    #expect(gathered.value.elements == [1, 2, 1])
    gathered.backward(from: Tensor([10, 20, 30], shape: [3, 1]))
    #expect(values.gradient?.elements == [40, 20])
  }
}
