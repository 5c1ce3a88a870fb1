public import Autograd
public import Tensor

/// How points get what voxels hold.
public enum Devoxelization: String, Codable, CaseIterable, Sendable {
  /// A point takes what its own voxel holds.
  case nearest
  /// A point takes a mean of the voxels around it, the nearer the more: smooth across borders.
  case trilinear
}

/// Trilinear interpolation between the centres of voxels.
///
///     y[p] = Σ_v w(p, v) · x[v] / Σ_v w(p, v)        w(p, v) = Π over the axes of (1 − |u − c|)
///
/// u is the point in units of voxels and c the centre of one of the eight cells around it. Cells
/// without points hold nothing and are left out; the point's own voxel has a weight of at least ⅛.
///
/// - Source: Tang et al. 2020, "Searching Efficient 3D Architectures with Sparse Point-Voxel
///   Convolution".
/// - Shapes: P points, V voxels.
/// - Complexity: O(P · C), on several threads; results do not depend on their number.
public struct VoxelInterpolation: Sendable {
  /// V, the number of voxels.
  public let voxelCount: Int
  /// The cells around each point [P × 8]; the point's own where there is none.
  private let rows: [Int32]
  /// Their weights [P × 8], which add up to 1; 0 where there is none.
  private let weights: [Float]

  /// P, the number of points.
  public var pointCount: Int { rows.count / Self.cells }

  private static let cells = 8

  /// The interpolation at the points that voxels were made of, or at some of them.
  ///
  /// - Parameters:
  ///   - positions: x, y, z of each point [P × 3], as `Voxelization` got them.
  ///   - pointToVoxel: the voxel of each point [P].
  ///   - voxels: what is interpolated between.
  init(at positions: Tensor<Float>, _ pointToVoxel: Tensor<Int32>, in voxels: Voxelization) {
    expect(
      positions.shape == [pointToVoxel.count, 3],
      "voxel interpolation: positions \(positions.shape), voxels \(pointToVoxel.shape)"
    )
    voxelCount = voxels.count
    let neighbours = Neighbourhoods(voxels.sites)
    let shift = SIMD3<Float>(0, 0, voxels.heightShift)
    var rows = [Int32](repeating: 0, count: pointToVoxel.count * Self.cells)
    var weights = [Float](repeating: 0, count: rows.count)
    rows.withUnsafeMutableBufferPointer { rows in
      weights.withUnsafeMutableBufferPointer { weights in
        nonisolated(unsafe) let (rows, weights) = (rows, weights)
        let (own, cells, places) = (pointToVoxel, voxels.coordinates, positions)
        WorkPool.forEachRange(count: own.count, grain: 4096) { points in
          for point in points {
            let voxel = own.withUnsafeElements { $0[point] }
            let corner = cells.withUnsafeElements { $0.vector(from: 4 * Int(voxel) + 1) }
            let place = places.withUnsafeElements { $0.vector(from: 3 * point) } + shift
            let side = place / voxels.voxelSize - SIMD3<Float>(corner) - 0.5
            neighbours.write(
              side.clamped(lowerBound: .init(repeating: -0.5), upperBound: .init(repeating: 0.5)),
              of: voxel,
              rows.baseAddress.unsafelyUnwrapped + point * Self.cells,
              weights.baseAddress.unsafelyUnwrapped + point * Self.cells
            )
          }
        }
      }
    }
    (self.rows, self.weights) = (rows, weights)
  }

  /// What the points get of values [V × C]; result [P × C].
  public func callAsFunction(_ values: Variable) -> Variable {
    .custom(self(values.value), input: values) { gradient in scattered(gradient) }
  }

  /// What the points get of values [V × C]; result [P × C].
  public func callAsFunction(_ values: Tensor<Float>) -> Tensor<Float> {
    expect(
      values.rank == 2 && values.shape[0] == voxelCount,
      "voxel interpolation: values \(values.shape) of \(voxelCount) voxels"
    )
    let lists = WeightedRows(
      starts: (0...pointCount).map { Int32($0 * Self.cells) },
      rows: rows,
      weights: weights
    )
    return lists.sums(of: values)
  }

  /// The gradient by the values: each voxel adds up its points in their order.
  private func scattered(_ gradient: Tensor<Float>) -> Tensor<Float> {
    var starts = [Int32](repeating: 0, count: voxelCount + 1)
    for (place, row) in rows.enumerated() where weights[place] != 0 { starts[Int(row) + 1] += 1 }
    for voxel in 0..<voxelCount { starts[voxel + 1] += starts[voxel] }
    var next = starts
    var points = [Int32](repeating: 0, count: Int(starts[voxelCount]))
    var shares = [Float](repeating: 0, count: points.count)
    for (place, row) in rows.enumerated() where weights[place] != 0 {
      let at = Int(next[Int(row)])
      next[Int(row)] += 1
      points[at] = Int32(place / Self.cells)
      shares[at] = weights[place]
    }
    return WeightedRows(starts: starts, rows: points, weights: shares).sums(of: gradient)
  }
}

extension Voxelization {
  /// Trilinear interpolation at the points [P × 3] that the voxels were made of.
  ///
  /// - Parameters:
  ///   - positions: the points as they were put into voxels.
  ///   - points: which of them are wanted; nil for all.
  /// - Returns: the weights of the voxels around each wanted point.
  public func interpolation(
    at positions: Tensor<Float>,
    points: Tensor<Int32>? = nil
  ) -> VoxelInterpolation {
    expect(
      positions.shape == [pointToVoxel.count, 3],
      "voxel interpolation: positions \(positions.shape) of \(pointToVoxel.count) points"
    )
    guard let points else { return VoxelInterpolation(at: positions, pointToVoxel, in: self) }
    return VoxelInterpolation(
      at: positions.taking(points, axis: 0),
      pointToVoxel.taking(points, axis: 0),
      in: self
    )
  }
}

/// The rows of the 27 sites around each site; −1 where there is none.
private struct Neighbourhoods {
  private static let size = 27
  private var rows: [Int32]

  init(_ sites: SparseSites) {
    let map = sites.submanifoldMap(kernelSize: 3)
    rows = [Int32](repeating: -1, count: sites.count * Self.size)
    for offset in 0..<Self.size {
      for pair in Int(map.starts[offset])..<Int(map.starts[offset + 1]) {
        rows[Int(map.outputs[pair]) * Self.size + offset] = map.inputs[pair]
      }
    }
  }

  /// The eight cells around a point that lies `sides` from the centre of its own, in voxels.
  func write(
    _ sides: SIMD3<Float>,
    of own: Int32,
    _ cells: UnsafeMutablePointer<Int32>,
    _ weights: UnsafeMutablePointer<Float>
  ) {
    var sum: Float = 0
    for corner in 0..<8 {
      var (offset, weight) = (0, Float(1))
      for axis in 0..<3 {
        let isOther = corner >> axis & 1 == 1
        let share = abs(sides[axis])
        weight *= isOther ? share : 1 - share
        offset = 3 * offset + 1 + (isOther ? (sides[axis] < 0 ? -1 : 1) : 0)
      }
      let row = rows[Int(own) * Self.size + offset]
      cells[corner] = row < 0 ? own : row
      weights[corner] = row < 0 ? 0 : weight
      sum += weights[corner]
    }
    for corner in 0..<8 { weights[corner] /= sum }
  }
}

extension UnsafeBufferPointer where Element: SIMDScalar {
  /// Three elements that follow each other.
  fileprivate func vector(from start: Int) -> SIMD3<Element> {
    SIMD3(self[start], self[start + 1], self[start + 2])
  }
}

/// Lists of rows with weights: y[i] = Σ weight · x[row] over the i-th list.
private struct WeightedRows {
  let starts: [Int32]
  let rows: [Int32]
  let weights: [Float]

  func sums(of values: Tensor<Float>) -> Tensor<Float> {
    let (count, width) = (starts.count - 1, values.shape[1])
    let perRow = max(1, rows.count * width / max(count, 1))
    return Tensor(uninitialized: [count, width]) { target in
      values.withUnsafeElements { values in
        guard let sums = target.baseAddress, let x = values.baseAddress else {
          target.initialize(repeating: 0)
          return
        }
        nonisolated(unsafe) let (y, from) = (sums, x)
        WorkPool.forEachRange(count: count, grain: max(1, (1 << 15) / perRow)) { range in
          for row in range {
            let sum = y + row * width
            sum.update(repeating: 0, count: width)
            for place in Int(starts[row])..<Int(starts[row + 1]) where weights[place] != 0 {
              let (weight, value) = (weights[place], from + Int(rows[place]) * width)
              for column in 0..<width { sum[column] += weight * value[column] }
            }
          }
        }
      }
    }
  }
}
