import Autograd
import PointCloud
import Tensor
import TestSupport
import Testing

@Suite struct VoxelInterpolationTests {
  private func cloud(_ count: Int, extent: Float, seed: UInt64) -> Tensor<Float> {
    var generator = Philox(seed: seed)
    return .uniform([count, 3], from: -extent, to: extent, using: &generator)
  }

  /// 2x − 3y + z + 1 of the centres.
  private func slope(_ places: Tensor<Float>) -> Tensor<Float> {
    let values = places.elements
    return Tensor(
      (0..<places.shape[0]).map {
        2 * values[3 * $0] - 3 * values[3 * $0 + 1] + values[3 * $0 + 2] + 1
      },
      shape: [places.shape[0], 1]
    )
  }

  @Test func whereAllCellsAreThereALinearFunctionIsExact() throws {
    // Dense in every cell of 8³, so that points inside have all eight neighbours.
    let size: Float = 0.5
    let points = cloud(20_000, extent: 2, seed: 1)
    let voxels = try Voxelization(points, voxelSize: size)
    #expect(voxels.count == 512)
    let found = voxels.interpolation(at: points)(slope(voxels.centers)).elements
    let (expected, places) = (slope(points).elements, points.elements)
    var checked = 0
    for point in 0..<20_000 {
      let isInside = (0..<3).allSatisfy { abs(places[3 * point + $0]) < 2 - size / 2 }
      guard isInside else { continue }
      expectClose([found[point]], [expected[point]], absolute: 1e-5)
      checked += 1
    }
    #expect(checked > 8_000)
  }

  @Test func missingCellsAreLeftOut() throws {
    // Two cells along x, nothing else: linear between their centres 0.5 and 1.5, constant beyond.
    let points = Tensor<Float>(
      [0.1, 0.5, 0.5, 0.75, 0.2, 0.9, 1.25, 0.5, 0.5, 1.9, 0, 0],
      shape: [4, 3]
    )
    let voxels = try Voxelization(points, voxelSize: 1)
    let values = voxels.interpolation(at: points)(Tensor([10, 20], shape: [2, 1]))
    expectClose(values.elements, [10, 12.5, 17.5, 20], relative: 1e-6)
    let some = voxels.interpolation(at: points, points: Tensor([3, 1]))
    expectClose(some(Tensor([10, 20], shape: [2, 1])).elements, [20, 12.5], relative: 1e-6)
  }

  @Test(arguments: [1, 2, 5]) func agreesWithASumOverAllVoxels(width: Int) throws {
    let (size, shift) = (Float(0.7), Float(1.3))
    let points = cloud(300, extent: 3, seed: 2)
    let batch = Tensor<Int32>((0..<300).map { Int32($0 % 2) })
    let voxels = try Voxelization(points, batch: batch, voxelSize: size, heightShift: shift)
    var generator = Philox(seed: 3)
    let values = Tensor<Float>.normal([voxels.count, width], using: &generator)
    let found = voxels.interpolation(at: points)(values)
    let (cells, places, x) = (voxels.coordinates.elements, points.elements, values.elements)
    for point in 0..<300 {
      var (sums, total) = ([Double](repeating: 0, count: width), 0.0)
      for voxel in 0..<voxels.count where Int(cells[4 * voxel]) == point % 2 {
        var weight = 1.0
        for axis in 0..<3 {
          let moved = Double(places[3 * point + axis]) + (axis == 2 ? Double(shift) : 0)
          let centre = Double(cells[4 * voxel + axis + 1]) + 0.5
          weight *= max(0, 1 - abs(moved / Double(size) - centre))
        }
        total += weight
        for column in 0..<width { sums[column] += weight * Double(x[voxel * width + column]) }
      }
      let row = found.elements[point * width..<(point + 1) * width].map { Double($0) }
      expectClose(row, sums.map { $0 / total }, relative: 1e-4, absolute: 1e-4)
    }
  }

  /// ⟨W x, g⟩ = ⟨x, Wᵀ g⟩ for every x and g.
  @Test func theGradientIsTheTransposedMap() throws {
    let points = cloud(500, extent: 2, seed: 4)
    let voxels = try Voxelization(points, voxelSize: 0.5)
    let interpolation = voxels.interpolation(at: points)
    var generator = Philox(seed: 5)
    let x = Variable(following: .normal([voxels.count, 3], using: &generator))
    let g = Tensor<Float>.normal([500, 3], using: &generator)
    let y = interpolation(x)
    y.backward(from: g)
    let gradient = try #require(x.gradient)
    expectClose([(y.value * g).sum()], [(x.value * gradient).sum()], relative: 1e-4)
    // Every point hands on the whole of its gradient.
    expectClose(gradient.sum(axes: [0]).elements, g.sum(axes: [0]).elements, absolute: 1e-4)
  }

  @Test func threadsDoNotMatter() throws {
    let threads = WorkPool.threadCount
    defer { WorkPool.threadCount = threads }
    let points = cloud(30_000, extent: 10, seed: 6)
    let voxels = try Voxelization(points, voxelSize: 0.5)
    var generator = Philox(seed: 7)
    let values = Tensor<Float>.normal([voxels.count, 10], using: &generator)
    let g = Tensor<Float>.normal([30_000, 10], using: &generator)
    let results = [1, 2].map { count in
      WorkPool.threadCount = count
      let x = Variable(following: values)
      let y = voxels.interpolation(at: points)(x)
      y.backward(from: g)
      return [y.value, x.gradient ?? .zeros([0])]
    }
    #expect(results[0] == results[1])
  }

  @Test func noPointsGiveNothing() throws {
    let voxels = try Voxelization(.zeros([0, 3]), voxelSize: 1)
    let found = voxels.interpolation(at: .zeros([0, 3]))(Tensor<Float>.zeros([0, 4]))
    #expect(found.shape == [0, 4])
  }
}
