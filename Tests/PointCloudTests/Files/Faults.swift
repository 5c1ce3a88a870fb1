import Tensor

/// What may happen to the bytes of a file.
enum Faults {
  /// One to three faults: a cut, changed bytes, inserted or removed ones, larger numbers in text.
  static func damaged(_ original: [UInt8], _ random: inout Philox) -> [UInt8] {
    var bytes = original
    func below(_ limit: Int) -> Int { Int(random.nextWord() % UInt32(max(limit, 1))) }
    let interesting: [UInt8] = [0, 0x0A, 0x0D, 0x20, 0x2D, 0x30, 0x39, 0x7F, 0x80, 0xFF]
    for _ in 0...below(3) {
      let place = below(bytes.count)
      let value =
        below(2) == 0
        ? interesting[below(interesting.count)] : UInt8(truncatingIfNeeded: below(256))
      switch below(6) {
      case 0: bytes = Array(bytes.prefix(place))
      case 1: bytes.insert(value, at: place)
      case 2: if place < bytes.count { bytes.remove(at: place) }
      case 3: bytes.insert(contentsOf: [UInt8](repeating: 0x39, count: below(24)), at: place)
      case 4:
        let end = min(place + 1 + below(8), bytes.count)
        for index in place..<max(place, end) { bytes[index] = value }
      default: if place < bytes.count { bytes[place] ^= 1 << UInt8(below(8)) }
      }
    }
    return bytes
  }
}
