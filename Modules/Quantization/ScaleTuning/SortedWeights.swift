/// The weights of a group in ascending order, with their running sums.
///
/// Small groups are sorted by rank: how many weights are smaller is counted for one weight after the
/// other, eight at a time, without a branch. Large ones take a radix sort, a byte at a time.
struct SortedWeights {
  private let values: UnsafeMutablePointer<Float>
  /// The sum of the first n weights, n = 0 … g.
  let sums: UnsafeMutablePointer<Double>
  private let keys: UnsafeMutablePointer<UInt32>
  private let spareKeys: UnsafeMutablePointer<UInt32>
  /// For each byte of a key, how many weights have each value of it.
  private let counts: UnsafeMutablePointer<Int>

  private static let rankedCount = 128
  private static let radix = 256
  private static let byteCount = 4

  /// Room for groups of up to `capacity` weights.
  init(capacity: Int) {
    values = .allocate(capacity: capacity)
    sums = .allocate(capacity: capacity + 1)
    keys = .allocate(capacity: capacity)
    spareKeys = .allocate(capacity: capacity)
    counts = .allocate(capacity: Self.radix * Self.byteCount)
  }

  func deallocate() {
    values.deallocate()
    sums.deallocate()
    keys.deallocate()
    spareKeys.deallocate()
    counts.deallocate()
  }

  /// Takes the weights of a group, finite ones only.
  func sort(_ weights: UnsafeBufferPointer<Float>) {
    if weights.count <= Self.rankedCount { sortByRank(weights) } else { sortByBytes(weights) }
    sums[0] = 0
    for place in 0..<weights.count { sums[place + 1] = sums[place] + Double(values[place]) }
  }

  /// The first place in `range` whose weight is at least `bound`, or the end.
  func firstPlace(_ range: Range<Int>, atLeast bound: Double) -> Int {
    var (start, end) = (range.lowerBound, range.upperBound)
    while start < end {
      let middle = (start + end) / 2
      if Double(values[middle]) < bound { start = middle + 1 } else { end = middle }
    }
    return start
  }

  /// Equal weights have one rank: the first of them is put there, and fills the places behind it.
  private func sortByRank(_ weights: UnsafeBufferPointer<Float>) {
    guard let base = weights.baseAddress else { return }
    let count = weights.count
    let whole = count / Lanes.count * Lanes.count
    values.update(repeating: .nan, count: count)
    for index in 0..<count {
      let weight = weights[index]
      var ranks = SIMD8<Int32>.zero
      for start in stride(from: 0, to: whole, by: Lanes.count) {
        ranks &+= Lanes.ones(Lanes.load(base + start) .< weight)
      }
      var rank = Int(ranks.wrappedSum())
      for place in whole..<count where weights[place] < weight { rank += 1 }
      values[rank] = weight
    }
    for place in 1..<max(count, 1) where values[place].isNaN { values[place] = values[place - 1] }
  }

  private func sortByBytes(_ weights: UnsafeBufferPointer<Float>) {
    let count = weights.count
    counts.update(repeating: 0, count: Self.radix * Self.byteCount)
    for index in 0..<count {
      // Numbers in ascending order have keys in ascending order.
      let bits = weights[index].bitPattern
      let key = bits ^ (UInt32(bitPattern: Int32(bitPattern: bits) >> 31) | 0x8000_0000)
      keys[index] = key
      for byte in 0..<Self.byteCount {
        counts[byte * Self.radix + Int(key >> (8 * UInt32(byte)) & 0xFF)] += 1
      }
    }
    var (from, to) = (keys, spareKeys)
    for byte in 0..<Self.byteCount {
      let starts = counts + byte * Self.radix
      var start = 0
      for digit in 0..<Self.radix { (starts[digit], start) = (start, start + starts[digit]) }
      for index in 0..<count {
        let digit = Int(from[index] >> (8 * UInt32(byte)) & 0xFF)
        to[starts[digit]] = from[index]
        starts[digit] += 1
      }
      swap(&from, &to)
    }
    for place in 0..<count {
      let key = from[place]
      let flip = key >> 31 == 1 ? 0x8000_0000 : 0xFFFF_FFFF
      values[place] = Float(bitPattern: key ^ UInt32(flip))
    }
  }
}

/// Eight neighbours at a time.
enum Lanes {
  static let count = 8

  @inline(__always)
  static func load<Scalar>(_ place: UnsafePointer<Scalar>) -> SIMD8<Scalar> {
    UnsafeRawPointer(place).loadUnaligned(as: SIMD8<Scalar>.self)
  }

  @inline(__always)
  static func store<Scalar>(_ lanes: SIMD8<Scalar>, _ place: UnsafeMutablePointer<Scalar>) {
    UnsafeMutableRawPointer(place).storeBytes(of: lanes, as: SIMD8<Scalar>.self)
  }

  /// 1 where a comparison holds, else 0.
  @inline(__always)
  static func ones<Scalar>(_ mask: SIMDMask<SIMD8<Scalar>>) -> SIMD8<Scalar>
  where Scalar: FixedWidthInteger & SIMDScalar, Scalar.SIMDMaskScalar == Scalar {
    SIMD8<Scalar>.zero.replacing(with: 1, where: mask)
  }
}
