import Crypto
import Federated
import Quantization
import Tensor

/// Reads the parts of a model from bytes from anywhere, without trust.
struct ModelReader {
  private let source: [UInt8]
  private var position: Int
  private let end: Int

  /// Checks the beginning and the digest at the end.
  init(_ bytes: [UInt8], magic: [UInt8]) throws(LocalModelEncodingError) {
    guard bytes.count >= magic.count + 4 + SHA256.byteCount, bytes.starts(with: magic) else {
      throw LocalModelEncodingError(reason: "\(bytes.count) bytes that do not begin with AFM1")
    }
    source = bytes
    position = magic.count
    end = bytes.count - SHA256.byteCount
    guard Array(SHA256.hash(data: bytes[..<end])) == Array(bytes[end...]) else {
      throw LocalModelEncodingError(reason: "its digest does not fit")
    }
  }

  private mutating func bytes(_ count: Int) throws(LocalModelEncodingError) -> ArraySlice<UInt8> {
    guard count >= 0, count <= end - position else {
      throw LocalModelEncodingError(reason: "\(count) more bytes are needed at \(position)")
    }
    defer { position += count }
    return source[position..<position + count]
  }

  mutating func header() throws(LocalModelEncodingError) -> ArraySlice<UInt8> {
    let length = try bytes(4).reversed().reduce(0) { $0 << 8 | Int($1) }
    return try bytes(length)
  }

  /// Finite numbers.
  mutating func floats(_ count: Int) throws(LocalModelEncodingError) -> [Float] {
    let (size, isTooLarge) = count.multipliedReportingOverflow(by: 4)
    guard !isTooLarge else { throw LocalModelEncodingError(reason: "\(count) numbers") }
    let values = try bytes(size).withUnsafeBytes { raw in
      (0..<count).map {
        Float(
          bitPattern: UInt32(
            littleEndian: raw.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self)
          )
        )
      }
    }
    guard values.allSatisfy(\.isFinite) else {
      throw LocalModelEncodingError(reason: "a number that is not finite")
    }
    return values
  }

  mutating func mask(_ count: Int, _ name: String) throws(LocalModelEncodingError) -> BitSet {
    guard count >= 0, count <= 8 * (end - position) else {
      throw LocalModelEncodingError(reason: "a mask of \(count) entries")
    }
    let words = try bytes((count + 63) / 64 * 8).withUnsafeBytes { raw in
      (0..<(count + 63) / 64).map {
        UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: 8 * $0, as: UInt64.self))
      }
    }
    guard let mask = BitSet(words: words, count: count) else {
      throw LocalModelEncodingError(reason: "the mask of '\(name)' has bits behind its end")
    }
    return mask
  }

  /// Codes of rows, symmetric, with a step size for each row.
  mutating func codes(
    _ rows: Int,
    _ columns: Int,
    bits: Int
  ) throws(LocalModelEncodingError) -> QuantizedMatrix {
    // A row takes 4 bytes or more, so neither number can be large.
    guard rows > 0, columns > 0, rows <= end - position, columns <= 8 * (end - position) else {
      throw LocalModelEncodingError(reason: "codes of \(rows) × \(columns)")
    }
    let steps = try floats(rows)
    let width = (columns * bits + 7) / 8
    let packed = try bytes(rows * width)
    var codes: [UInt8] = []
    codes.reserveCapacity(rows * columns)
    for row in 0..<rows {
      let start = packed.startIndex + row * width
      for column in 0..<columns {
        let (byte, shift) = (start + column * bits / 8, column * bits % 8)
        var word = Int(packed[byte]) >> shift
        if shift + bits > 8 { word |= Int(packed[byte + 1]) << (8 - shift) }
        codes.append(UInt8(word & ((1 << bits) - 1)))
      }
    }
    do {
      return QuantizedMatrix(
        codes: Tensor(codes, shape: [rows, columns]),
        stepSizes: Tensor(steps, shape: [rows, 1]),
        zeroPoints: nil,
        scheme: try WeightScheme(
          grid: try QuantizationGrid(bits: bits, isSymmetric: true),
          granularity: .outputChannel,
          scaleType: .float32
        )
      )
    } catch {
      throw LocalModelEncodingError(reason: "\(error)")
    }
  }

  func finish() throws(LocalModelEncodingError) {
    guard position == end else {
      throw LocalModelEncodingError(reason: "\(end - position) bytes too many")
    }
  }
}

extension [UInt8] {
  mutating func append(littleEndian number: some FixedWidthInteger) {
    for shift in stride(from: 0, to: number.bitWidth, by: 8) {
      append(UInt8(truncatingIfNeeded: number >> shift))
    }
  }

  /// Codes of `bits` bits from the lowest bit up, each row padded to bytes.
  mutating func append(rows codes: Tensor<UInt8>, bits: Int) {
    let (rows, columns) = (codes.shape[0], codes.shape[1])
    codes.withUnsafeElements { codes in
      for row in 0..<rows {
        var (word, filled) = (0, 0)
        for column in 0..<columns {
          word |= Int(codes[row * columns + column]) << filled
          filled += bits
          if filled >= 8 {
            append(UInt8(word & 0xFF))
            word >>= 8
            filled -= 8
          }
        }
        if filled > 0 { append(UInt8(word)) }
      }
    }
  }
}
