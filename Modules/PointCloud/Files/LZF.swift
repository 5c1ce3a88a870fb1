/// The compression of PCD's `binary_compressed`: LZF, whose stream has no header and no sum.
///
/// A control byte c < 32 is followed by c + 1 literal bytes. Else it copies from what was decoded:
/// length c >> 5 (when 7, plus the next byte) + 2, from ((c & 31) << 8 | next byte) + 1 back.
enum LZF {
  /// No stream grows by more than this: 3 bytes copy at most 264.
  static let largestExpansion = 88

  /// Decodes a stream to `target`, which it must fill exactly; returns the offset in the stream of
  /// the fault if there is one.
  static func decode(
    _ source: UnsafeRawBufferPointer,
    to target: UnsafeMutableRawBufferPointer
  ) -> Int? {
    guard let input = source.baseAddress, let output = target.baseAddress else {
      return source.count + target.count == 0 ? nil : 0
    }
    var (from, to) = (0, 0)
    while from < source.count {
      let start = from
      let control = Int(source[from])
      from += 1
      if control < 32 {
        let length = control + 1
        guard length <= source.count - from, length <= target.count - to else { return start }
        (output + to).copyMemory(from: input + from, byteCount: length)
        (from, to) = (from + length, to + length)
        continue
      }
      var length = control >> 5
      if length == 7 {
        guard from < source.count else { return start }
        length += Int(source[from])
        from += 1
      }
      length += 2
      guard from < source.count else { return start }
      let distance = (control & 31) << 8 + Int(source[from]) + 1
      from += 1
      guard distance <= to, length <= target.count - to else { return start }
      if distance >= length {
        (output + to).copyMemory(from: output + to - distance, byteCount: length)
      } else {
        // The copy overlaps what it writes: it repeats.
        for index in to..<to + length { target[index] = target[index - distance] }
      }
      to += length
    }
    return to == target.count ? nil : source.count
  }
}
