public import Autograd
import Tensor

/// The largest elements of each voxel's rows; the gradient goes to the point that holds it.
///
///     y[v, c] = max over the points p of voxel v of x[p, c]
///
/// The lowest of points with equal elements gets the gradient, and a NaN counts as largest.
///
/// - Shapes: x [P × C], result [V × C].
/// - Complexity: O(P · C), on several threads; results do not depend on their number.
public func segmentMaximum(_ x: Variable, of members: VoxelMembers) -> Variable {
  let shape = x.shape
  expect(
    shape.rank == 2 && shape[0] == members.pointCount,
    "segment maximum: rows \(shape) for \(members.pointCount) points"
  )
  let (maxima, holders) = x.value.segmentMaxima(members)
  return .custom(maxima, input: x) { gradient in
    gradient.scatteredToHolders(holders, members, shape)
  }
}

extension Tensor where Element == Float {
  /// The largest elements of each voxel's rows, and the points that hold them; both [V × C].
  fileprivate func segmentMaxima(
    _ members: VoxelMembers
  ) -> (maxima: Tensor, holders: Tensor<Int32>) {
    let width = shape[1]
    let resultShape: Shape = [members.voxelCount, width]
    var holders = Tensor<Int32>(repeating: 0, shape: resultShape)
    let maxima = Tensor(uninitialized: resultShape) { maxima in
      withUnsafeElements { elements in
        holders.withUnsafeMutableElements { holders in
          guard let x = elements.baseAddress, let best = maxima.baseAddress,
            let holder = holders.baseAddress
          else { return }
          members.forEachRange(work: width) { voxels, groups in
            for voxel in voxels {
              let at = voxel * width
              takeMaxima(of: groups(voxel), x, width, best + at, holder + at)
            }
          }
        }
      }
    }
    return (maxima, holders)
  }

  /// Each element at its holder's row, zeros elsewhere: self and holders [V × C], result [P × C].
  fileprivate func scatteredToHolders(
    _ holders: Tensor<Int32>,
    _ members: VoxelMembers,
    _ shape: Shape
  ) -> Tensor {
    let width = shape[1]
    return Tensor(uninitialized: shape) { target in
      withUnsafeElements { gradient in
        holders.withUnsafeElements { holders in
          guard let dx = target.baseAddress else { return }
          members.forEachRange(work: width) { voxels, groups in
            for point in groups(voxels) {
              (dx + Int(point) * width).update(repeating: 0, count: width)
            }
            for voxel in voxels {
              for column in 0..<width {
                let place = voxel * width + column
                dx[Int(holders[place]) * width + column] = gradient[place]
              }
            }
          }
        }
      }
    }
  }
}

/// The maxima of the rows of one voxel's points, and which points hold them; both [C].
///
/// Eight columns at a time stay in registers while the points go by.
@inline(__always)
private func takeMaxima(
  of group: UnsafeBufferPointer<Int32>,
  _ x: UnsafePointer<Float>,
  _ width: Int,
  _ best: UnsafeMutablePointer<Float>,
  _ holder: UnsafeMutablePointer<Int32>
) {
  let lanes = SIMD8<Float>.scalarCount
  var column = 0
  while column + lanes <= width {
    let from = UnsafeRawPointer(x + column)
    var (maxima, holders) = (SIMD8<Float>(), SIMD8<Int32>(repeating: group[0]))
    for (place, point) in group.enumerated() {
      let offset = Int(point) * width * MemoryLayout<Float>.stride
      let values = from.loadUnaligned(fromByteOffset: offset, as: SIMD8<Float>.self)
      if place == 0 {
        maxima = values
        continue
      }
      // Larger, or not a number; what is not a number already stays.
      let isLarger = (values .> maxima .| values .!= values) .& (maxima .== maxima)
      maxima.replace(with: values, where: isLarger)
      holders.replace(with: SIMD8(repeating: point), where: isLarger)
    }
    UnsafeMutableRawPointer(best + column).storeBytes(of: maxima, as: SIMD8<Float>.self)
    UnsafeMutableRawPointer(holder + column).storeBytes(of: holders, as: SIMD8<Int32>.self)
    column += lanes
  }
  for column in column..<width {
    var (maximum, point) = (x[Int(group[0]) * width + column], group[0])
    for other in group {
      let value = x[Int(other) * width + column]
      if (value > maximum || value.isNaN) && !maximum.isNaN { (maximum, point) = (value, other) }
    }
    (best[column], holder[column]) = (maximum, point)
  }
}
