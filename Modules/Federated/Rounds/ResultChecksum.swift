import Tensor

extension ParameterUpdate {
  /// A checksum over names, shapes and bits of the update: it tells damage and duplicates, and is no
  /// defence against a forger.
  ///
  ///     h ← (h ⊕ word) · p, rotated by 29, in four lanes of 64 bits; p odd
  ///
  /// Choice: multiply and rotate, as fast hashes do, so that the sum of a large update costs less
  /// than reading it from a network.
  public var checksum: UInt64 {
    var hash = LaneHash()
    for (name, tensor) in delta.entries {
      for byte in name.utf8 { hash.add(UInt64(byte)) }
      for extent in tensor.shape.extents { hash.add(UInt64(extent)) }
      tensor.withUnsafeElements { hash.add(UnsafeRawBufferPointer($0)) }
    }
    hash.add(UInt64(bitPattern: Int64(exampleCount)))
    hash.add(UInt64(bitPattern: Int64(stepCount)))
    return hash.value
  }
}

private struct LaneHash {
  private static let factor: UInt64 = 0x9E37_79B9_7F4A_7C15
  private var lanes = SIMD4<UInt64>(1, 2, 3, 4)
  private var count: UInt64 = 0

  mutating func add(_ word: UInt64) {
    lanes = Self.mixed(lanes ^ SIMD4(word, ~word, word &+ 1, word &* 3))
    count &+= 1
  }

  mutating func add(_ bytes: UnsafeRawBufferPointer) {
    var place = 0
    while place + 32 <= bytes.count {
      lanes = Self.mixed(
        lanes ^ bytes.loadUnaligned(fromByteOffset: place, as: SIMD4<UInt64>.self)
      )
      place += 32
    }
    while place < bytes.count {
      add(UInt64(bytes[place]))
      place += 1
    }
    count &+= UInt64(bytes.count)
  }

  private static func mixed(_ lanes: SIMD4<UInt64>) -> SIMD4<UInt64> {
    let product = lanes &* SIMD4(repeating: factor)
    return (product &<< 29) | (product &>> 35)
  }

  var value: UInt64 {
    var result = count
    for index in 0..<4 {
      result = (result ^ lanes[index]) &* Self.factor
      result ^= result >> 31
    }
    return result
  }
}
