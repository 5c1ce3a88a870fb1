import Tensor

/// A voxel as one number whose order is that of (batch, x, y, z).
///
///     key = batch · 2⁵⁴ + (x + 2¹⁷) · 2³⁶ + (y + 2¹⁷) · 2¹⁸ + (z + 2¹⁷)
///
/// The neighbour at (dx, dy, dz) has the key key + dx · 2³⁶ + dy · 2¹⁸ + dz: the limits leave a margin
/// of eight voxels, so that no kernel reaches across the border of an axis.
struct VoxelKey: Hashable, Comparable, Sendable {
  static let axisBits = 18
  static let origin = 1 << 17
  /// What each coordinate may be.
  static let limits = -131_064...131_063
  /// What the number of a scan may be.
  static let batchLimits = 0...1023

  var value: UInt64

  @inline(__always)
  init(value: UInt64) { self.value = value }

  /// A key of coordinates within the limits.
  @inline(__always)
  init(batch: Int, x: Int, y: Int, z: Int) {
    let upper = UInt64(truncatingIfNeeded: batch << 18 | (x &+ VoxelKey.origin))
    let lower = UInt64(truncatingIfNeeded: (y &+ VoxelKey.origin) << 18 | (z &+ VoxelKey.origin))
    value = upper << 36 | lower
  }

  @inline(__always) var batch: Int { Int(value >> 54) }
  @inline(__always) var x: Int { Int(value >> 36 & 0x3ffff) &- VoxelKey.origin }
  @inline(__always) var y: Int { Int(value >> 18 & 0x3ffff) &- VoxelKey.origin }
  @inline(__always) var z: Int { Int(value & 0x3ffff) &- VoxelKey.origin }

  static func < (left: VoxelKey, right: VoxelKey) -> Bool { left.value < right.value }
}

/// Keys of voxels, as the bits alone.
enum VoxelKeys {
  /// Coordinates [N × 4] of (batch, x, y, z) for keys.
  static func coordinates(of keys: [UInt64]) -> Tensor<Int32> {
    Tensor<Int32>(uninitialized: [keys.count, 4]) { target in
      for (row, value) in keys.enumerated() {
        let key = VoxelKey(value: value)
        target[4 * row] = Int32(truncatingIfNeeded: key.batch)
        target[4 * row + 1] = Int32(truncatingIfNeeded: key.x)
        target[4 * row + 2] = Int32(truncatingIfNeeded: key.y)
        target[4 * row + 3] = Int32(truncatingIfNeeded: key.z)
      }
    }
  }

  /// The places of keys in ascending order; equal keys stay in their order.
  ///
  /// Each axis is counted from its lowest coordinate first, which leaves few bits to sort by.
  static func order(of keys: [UInt64]) -> [Int32] {
    let shifts: [UInt64] = [0, 18, 36, 54]
    var lowest = [UInt64](repeating: .max, count: 4)
    var highest = [UInt64](repeating: 0, count: 4)
    for (axis, shift) in shifts.enumerated() {
      let mask: UInt64 = axis == 3 ? 0x3ff : 0x3ffff
      var (low, high) = (UInt64.max, UInt64(0))
      for key in keys {
        let field = key >> shift & mask
        low = min(low, field)
        high = max(high, field)
      }
      (lowest[axis], highest[axis]) = (low, high)
    }
    guard !keys.isEmpty else { return [] }
    let bits = (0..<4).map { UInt64(64 - (highest[$0] - lowest[$0]).leadingZeroBitCount) }
    let base = VoxelKeys.packed(lowest)
    let (y, x, batch) = (bits[0], bits[0] + bits[1], bits[0] + bits[1] + bits[2])
    let compact = keys.map { key -> UInt64 in
      // No field is below its lowest, so the fields do not borrow.
      let rest = key - base
      let upper = (rest >> 54) << batch | (rest >> 36 & 0x3ffff) << x
      return upper | (rest >> 18 & 0x3ffff) << y | rest & 0x3ffff
    }
    return KeySearch.order(of: compact, bitCount: Int(batch + bits[3]))
  }

  private static func packed(_ fields: [UInt64]) -> UInt64 {
    fields[3] << 54 | fields[2] << 36 | fields[1] << 18 | fields[0]
  }
}
