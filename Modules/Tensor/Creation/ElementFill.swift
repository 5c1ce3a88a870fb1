extension UnsafeMutablePointer where Pointee: TensorElement {
  /// Writes `value` to `count` elements, on several threads when they are many.
  ///
  /// Generic code would copy them one by one: the loops are over integers of the element's size.
  func fill(_ value: Pointee, count: Int) {
    switch MemoryLayout<Pointee>.size {
    case 1: fillBits(self, unsafeBitCast(value, to: UInt8.self), count)
    case 2: fillBits(self, unsafeBitCast(value, to: UInt16.self), count)
    case 4: fillBits(self, unsafeBitCast(value, to: UInt32.self), count)
    default: fillBits(self, unsafeBitCast(value, to: UInt64.self), count)
    }
  }
}

// Not a member: the compiler makes no fast version of what is generic twice.
private func fillBits<Bits: FixedWidthInteger>(
  _ start: UnsafeMutableRawPointer,
  _ bits: Bits,
  _ count: Int
) {
  let start = start.assumingMemoryBound(to: Bits.self)
  forEachRange(count: count) { range in
    // `update(repeating:)` is a call into the generic code of the standard library.
    for index in range { start[index] = bits }
  }
}
