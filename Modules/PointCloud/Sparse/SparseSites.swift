public import Tensor

/// The active sites of a volume, and the kernel maps between them.
///
/// Rows are in the order of (batch, x, y, z), always: results are the same on every run, and
/// neighbours lie near one another in memory. All tensors of one level share one object, so a map is
/// made once for all convolutions of the level and for the way back up.
///
/// Sites belong to one task at a time.
public final class SparseSites {
  /// batch, x, y, z of each site [N × 4], in units of this level.
  public let coordinates: Tensor<Int32>
  /// The edge of a site in units of the finest level.
  public let stride: Int
  let keys: [UInt64]
  private var submanifoldMaps: [Int: KernelMap] = [:]
  private var coarser: [Int: CoarserSites] = [:]

  /// N, the number of sites.
  public var count: Int { keys.count }

  init(coordinates: Tensor<Int32>, keys: [UInt64], stride: Int) {
    self.coordinates = coordinates
    self.keys = keys
    self.stride = stride
  }

  /// Sites with these coordinates [N × 4], in the order of (batch, x, y, z) without repeats.
  ///
  /// - Parameters:
  ///   - coordinates: batch, x, y, z of each site.
  ///   - stride: the edge of a site in units of the finest level.
  /// - Throws: `VoxelError` if a coordinate is out of range or a row out of order.
  public convenience init(coordinates: Tensor<Int32>, stride: Int = 1) throws(VoxelError) {
    expect(
      coordinates.rank == 2 && coordinates.shape[1] == 4,
      "sparse sites: coordinates are [N × 4], found \(coordinates.shape)"
    )
    var wrong: (row: Int, previous: UInt64)?
    let keys = coordinates.withUnsafeElements { cells in
      var keys = [UInt64](repeating: 0, count: coordinates.shape[0])
      var previous: UInt64 = 0
      for row in keys.indices where wrong == nil {
        guard let key = VoxelKey(cells, row), row == 0 || key.value > previous else {
          wrong = (row, previous)
          break
        }
        keys[row] = key.value
        previous = key.value
      }
      return keys
    }
    if let wrong { throw siteError(coordinates, row: wrong.row, previous: wrong.previous) }
    self.init(coordinates: coordinates, keys: keys, stride: stride)
  }

  /// The map of a kernel that keeps the sites: out[p] = Σ x[p + d] over the offsets d of a cube.
  ///
  /// - Parameter kernelSize: the edge of the cube, odd and at most 11.
  /// - Returns: the map, made once for each size.
  public func submanifoldMap(kernelSize: Int) -> KernelMap {
    if let map = submanifoldMaps[kernelSize] { return map }
    let map = KernelMap(KeySearch.pairs(of: keys, columns: halfKernel(kernelSize)))
    submanifoldMaps[kernelSize] = map
    return map
  }

  /// The coarser sites that a kernel of stride 2 reaches, and the map to them.
  ///
  /// A kernel of 2 covers the two children of a site along each axis, p = 2q + i; a kernel of 3 is
  /// centred on the first of them, p = 2q + i − 1.
  ///
  /// - Parameter kernelSize: the edge of the cube, 2 or 3.
  /// - Returns: the same sites and map on every call.
  public func strided(kernelSize: Int) -> (sites: SparseSites, map: KernelMap) {
    if let found = coarser[kernelSize] { return (found.sites, found.map) }
    let found = CoarserSites(of: self, kernelSize: kernelSize)
    coarser[kernelSize] = found
    return (found.sites, found.map)
  }
}

extension VoxelKey {
  /// The key of a row of coordinates; nil if one is out of range.
  fileprivate init?(_ cells: UnsafeBufferPointer<Int32>, _ row: Int) {
    let cell = (
      Int(cells[4 * row]), Int(cells[4 * row + 1]), Int(cells[4 * row + 2]), Int(cells[4 * row + 3])
    )
    let limits = VoxelKey.limits
    guard
      VoxelKey.batchLimits.contains(cell.0), limits.contains(cell.1), limits.contains(cell.2),
      limits.contains(cell.3)
    else { return nil }
    self.init(batch: cell.0, x: cell.1, y: cell.2, z: cell.3)
  }
}

/// What is wrong with a row of coordinates.
private func siteError(_ coordinates: Tensor<Int32>, row: Int, previous: UInt64) -> VoxelError {
  let cell = coordinates.withUnsafeElements { cells in
    (0..<4).map { Int(cells[4 * row + $0]) }
  }
  guard VoxelKey.batchLimits.contains(cell[0]) else {
    return .invalidBatch(row: row, batch: cell[0], limits: VoxelKey.batchLimits)
  }
  guard cell.dropFirst().allSatisfy(VoxelKey.limits.contains) else {
    let found = cell.dropFirst().map { Float($0) }
    return .outOfRange(row: row, coordinates: found, limits: VoxelKey.limits)
  }
  let key = VoxelKey(value: previous)
  let before = [key.batch, key.x, key.y, key.z]
  return .notAscending(row: row, coordinates: cell, previous: before)
}

/// The columns of a cube of odd size that lie before its centre.
private func halfKernel(_ size: Int) -> [KeyColumn] {
  expect(
    size % 2 == 1 && (1...11).contains(size),
    "submanifold convolution: kernels are cubes of 1, 3, 5 … 11, found \(size)"
  )
  let reach = size / 2
  var columns: [KeyColumn] = []
  for dx in -reach...0 {
    for dy in -reach...reach where dx < 0 || dy < 0 {
      let step = -(dx << 36) - (dy << 18) + reach
      columns.append(KeyColumn(step: UInt64(step), width: size))
    }
  }
  if reach > 0 { columns.append(KeyColumn(step: UInt64(reach), width: reach)) }
  return columns
}

/// The sites of the next level and the way to them.
private struct CoarserSites {
  let sites: SparseSites
  let map: KernelMap

  init(of fine: SparseSites, kernelSize: Int) {
    expect(
      kernelSize == 2 || kernelSize == 3,
      "strided convolution: kernels are cubes of 2 or 3, found \(kernelSize)"
    )
    let parents = ParentList(of: fine.keys, kernelSize: kernelSize)
    let order = VoxelKeys.order(of: parents.keys)
    let groups = KeyGroups(parents.keys, in: order)
    let pairs = parents.pairs(
      in: order,
      groups: groups.groupOfRow,
      inputCount: fine.count,
      outputCount: groups.keys.count,
      kernelVolume: kernelSize * kernelSize * kernelSize
    )
    sites = SparseSites(
      coordinates: VoxelKeys.coordinates(of: groups.keys),
      keys: groups.keys,
      stride: 2 * fine.stride
    )
    map = KernelMap(pairs)
  }
}

/// Every coarser site that a fine one contributes to, with the offset by which it does.
private struct ParentList {
  private(set) var keys: [UInt64] = []
  private var rows: [Int32] = []
  private var offsets: [UInt8] = []

  init(of fine: [UInt64], kernelSize: Int) {
    let capacity = kernelSize == 2 ? fine.count : 4 * fine.count
    keys.reserveCapacity(capacity)
    rows.reserveCapacity(capacity)
    offsets.reserveCapacity(capacity)
    for (row, value) in fine.enumerated() {
      let key = VoxelKey(value: value)
      if kernelSize == 2 {
        appendParent(of: key, row)
      } else {
        appendCentres(near: key, row)
      }
    }
  }

  /// Kernel 2: one parent, and the low bits tell which child.
  @inline(__always)
  private mutating func appendParent(of key: VoxelKey, _ row: Int) {
    let parent = VoxelKey(batch: key.batch, x: key.x >> 1, y: key.y >> 1, z: key.z >> 1)
    let offset = (key.x & 1) << 2 | (key.y & 1) << 1 | key.z & 1
    append(parent.value, row, offset)
  }

  /// Kernel 3, p = 2q + i − 1: an even coordinate has one centre, by i = 1; an odd one has those on
  /// both sides, by i = 0 and i = 2.
  private mutating func appendCentres(near key: VoxelKey, _ row: Int) {
    var ix = 1 - (key.x & 1)
    while ix <= 2 {
      var iy = 1 - (key.y & 1)
      while iy <= 2 {
        var iz = 1 - (key.z & 1)
        while iz <= 2 {
          let centre = VoxelKey(
            batch: key.batch,
            x: (key.x - ix + 1) >> 1,
            y: (key.y - iy + 1) >> 1,
            z: (key.z - iz + 1) >> 1
          )
          append(centre.value, row, (ix * 3 + iy) * 3 + iz)
          iz += 2
        }
        iy += 2
      }
      ix += 2
    }
  }

  @inline(__always)
  private mutating func append(_ key: UInt64, _ row: Int, _ offset: Int) {
    keys.append(key)
    rows.append(Int32(truncatingIfNeeded: row))
    offsets.append(UInt8(truncatingIfNeeded: offset))
  }

  /// The pairs by offset, then by output row: the order of the parents' keys.
  func pairs(
    in order: [Int32],
    groups: [Int32],
    inputCount: Int,
    outputCount: Int,
    kernelVolume: Int
  ) -> SparsePairs {
    var starts = [Int32](repeating: 0, count: kernelVolume + 1)
    for offset in offsets { starts[Int(offset) + 1] += 1 }
    for offset in 0..<kernelVolume { starts[offset + 1] += starts[offset] }
    var next = starts
    var inputs = [Int32](repeating: 0, count: rows.count)
    var outputs = [Int32](repeating: 0, count: rows.count)
    for place in order {
      let offset = Int(offsets[Int(place)])
      let at = Int(next[offset])
      next[offset] += 1
      inputs[at] = rows[Int(place)]
      outputs[at] = groups[Int(place)]
    }
    return SparsePairs(
      starts: starts,
      inputs: inputs,
      outputs: outputs,
      inputCount: inputCount,
      outputCount: outputCount
    )
  }
}
