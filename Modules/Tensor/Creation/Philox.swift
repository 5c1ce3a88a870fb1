import CKernels

/// A counter-based random generator: Philox 4×32-10.
///
/// The n-th number is a function of the key and n alone, so any part of a stream can be computed on
/// any thread, in any order, with the same result. `fork(_:)` derives an independent generator for
/// a layer, a client or an epoch.
///
/// - Source: Salmon et al. 2011, "Parallel Random Numbers: As Easy as 1, 2, 3".
public struct Philox: RandomNumberGenerator, Sendable, Hashable, Codable {
  /// Two 32-bit key words.
  private var key0: UInt32
  private var key1: UInt32
  /// The upper half of the counter: which stream.
  private let stream: UInt64
  /// The lower half of the counter: which block of four words comes next.
  private var block: UInt64 = 0
  /// How many of the current block's words were used; 4 means that a new block is due.
  private var used = 4
  private var words = SIMD4<UInt32>()

  /// The generator of a seed.
  public init(seed: UInt64) { self.init(seed: seed, stream: 0) }

  private init(seed: UInt64, stream: UInt64) {
    key0 = UInt32(truncatingIfNeeded: seed)
    key1 = UInt32(truncatingIfNeeded: seed >> 32)
    self.stream = stream
  }

  /// An independent generator for the part `index` of the work; does not advance this one.
  public func fork(_ index: Int) -> Philox {
    // The child's key is a block of the parent's key space that `next()` never reaches: the top
    // bit of the block number marks it.
    let label = UInt64(bitPattern: Int64(index)) | (1 << 63)
    let derived = Philox.block(
      counter: SIMD4(low: label, high: stream ^ 0x9E37_79B9_7F4A_7C15),
      key0: key0,
      key1: key1
    )
    let seed = UInt64(derived.x) | UInt64(derived.y) << 32
    return Philox(seed: seed, stream: UInt64(derived.z) | UInt64(derived.w) << 32)
  }

  /// This stream from its beginning, as kernels take it.
  var forKernels: ck_random { ck_random(key0: key0, key1: key1, stream: stream) }

  /// The next 32 random bits.
  public mutating func nextWord() -> UInt32 {
    if used == 4 {
      words = Philox.block(counter: SIMD4(low: block, high: stream), key0: key0, key1: key1)
      block &+= 1
      used = 0
    }
    defer { used += 1 }
    return words[used]
  }

  /// The next 64 random bits.
  public mutating func next() -> UInt64 {
    let low = nextWord()
    return UInt64(low) | UInt64(nextWord()) << 32
  }

  /// The next `count` words that a kernel computes at once: whole chunks of 64, from the next on.
  ///
  /// - Returns: The stream, and the number of the first chunk.
  mutating func reserveChunks(for count: Int) -> (source: ck_random, chunk: UInt64) {
    let chunk = (block + 15) / 16
    block = (chunk + UInt64((count + 63) / 64)) * 16
    used = 4
    return (forKernels, chunk)
  }

  /// A number in [0, 1): 24 random bits.
  public mutating func uniform() -> Float { Float(nextWord() >> 8) * 0x1p-24 }

  /// A number in [0, bound), without bias.
  public mutating func integer(below bound: Int) -> Int {
    expect(bound > 0, "random: a bound of \(bound) leaves no number to draw")
    // Lemire's method: multiply, and draw again in the small biased range.
    let range = UInt64(bound)
    while true {
      let (high, low) = next().multipliedFullWidth(by: range)
      if low >= range || low >= (0 &- range) % range { return Int(high) }
    }
  }

  /// One Philox block: ten rounds over a 128-bit counter.
  package static func block(counter: SIMD4<UInt32>, key0: UInt32, key1: UInt32) -> SIMD4<UInt32> {
    var state = counter
    var (k0, k1) = (key0, key1)
    for _ in 0..<10 {
      let product0 = UInt64(state.x) &* 0xD251_1F53
      let product1 = UInt64(state.z) &* 0xCD9E_8D57
      let (high0, low0) = (
        UInt32(truncatingIfNeeded: product0 >> 32), UInt32(truncatingIfNeeded: product0)
      )
      let (high1, low1) = (
        UInt32(truncatingIfNeeded: product1 >> 32), UInt32(truncatingIfNeeded: product1)
      )
      state = SIMD4(high1 ^ state.y ^ k0, low1, high0 ^ state.w ^ k1, low0)
      k0 &+= 0x9E37_79B9
      k1 &+= 0xBB67_AE85
    }
    return state
  }
}

extension SIMD4<UInt32> {
  fileprivate init(low: UInt64, high: UInt64) {
    self.init(
      UInt32(truncatingIfNeeded: low),
      UInt32(truncatingIfNeeded: low >> 32),
      UInt32(truncatingIfNeeded: high),
      UInt32(truncatingIfNeeded: high >> 32)
    )
  }
}
