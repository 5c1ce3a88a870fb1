import Tensor

/// The ChaCha20 stream of a key and a nonce.
///
/// - Source: RFC 8439, section 2.3.
struct ChaCha20: Sendable {
  private let start: [UInt32]

  /// A stream.
  ///
  /// - Parameters:
  ///   - key: 32 bytes.
  ///   - nonce: three words.
  init(key: [UInt8], nonce: SIMD3<UInt32>) {
    expect(key.count == 32, "ChaCha20: a key of \(key.count) bytes, 32 are needed")
    var state: [UInt32] = [0x6170_7865, 0x3320_646E, 0x7962_2D32, 0x6B20_6574]
    for first in stride(from: 0, to: 32, by: 4) {
      var word: UInt32 = 0
      for byte in key[first..<first + 4].reversed() { word = word << 8 | UInt32(byte) }
      state.append(word)
    }
    start = state + [0, nonce.x, nonce.y, nonce.z]
  }

  /// Calls `body` with the place and the value of each of the first `count` words.
  func forEachWord(_ count: Int, from counter: UInt32 = 0, _ body: (Int, UInt32) -> Void) {
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 16) { state in
      for first in stride(from: 0, to: count, by: 16) {
        fill(state, counter: counter &+ UInt32(truncatingIfNeeded: first / 16))
        for word in 0..<min(16, count - first) { body(first + word, state[word]) }
      }
    }
  }

  /// The first `count` words.
  func words(_ count: Int, from counter: UInt32 = 0) -> [UInt32] {
    var result = [UInt32](repeating: 0, count: count)
    forEachWord(count, from: counter) { result[$0] = $1 }
    return result
  }

  private func fill(_ state: UnsafeMutableBufferPointer<UInt32>, counter: UInt32) {
    _ = state.initialize(from: start)
    state[12] = counter
    for _ in 0..<10 {
      quarter(state, 0, 4, 8, 12)
      quarter(state, 1, 5, 9, 13)
      quarter(state, 2, 6, 10, 14)
      quarter(state, 3, 7, 11, 15)
      quarter(state, 0, 5, 10, 15)
      quarter(state, 1, 6, 11, 12)
      quarter(state, 2, 7, 8, 13)
      quarter(state, 3, 4, 9, 14)
    }
    for word in 0..<16 { state[word] &+= word == 12 ? counter : start[word] }
  }

  @inline(__always)
  private func quarter(
    _ state: UnsafeMutableBufferPointer<UInt32>,
    _ a: Int,
    _ b: Int,
    _ c: Int,
    _ d: Int
  ) {
    func turn(_ target: Int, _ source: Int, _ bits: UInt32) {
      let word = state[target] ^ state[source]
      state[target] = word << bits | word >> (32 - bits)
    }
    state[a] &+= state[b]
    turn(d, a, 16)
    state[c] &+= state[d]
    turn(b, c, 12)
    state[a] &+= state[b]
    turn(d, a, 8)
    state[c] &+= state[d]
    turn(b, c, 7)
  }
}
