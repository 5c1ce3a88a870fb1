import Foundation
import Tensor
import TestSupport

/// Small files of points made by hand.
enum PointSample {
  static func word(_ value: Float) -> [UInt8] { bytes(value.bitPattern) }

  static func bytes(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
  }

  static func floats(_ values: [Float]) -> [UInt8] { values.flatMap(word) }

  static let kitti = floats([1, 2, 3, 0.5, 4, 5, 6, 0.25, 7, 8, 9, 0])

  static let ouster = floats([1.5, 2, 3, 50, 0, 4, 5, -6, 25, 1, 7, 8, -9, 0, 2])

  static let nuScenes = floats([1, 2, -3, 50, 0, 4, 5, -6, 25, 12, 7, 8, 9, 0, 31])

  static let labels = [UInt32(10) | 7 << 16, 40, 0xFFFF_FFFF].flatMap(bytes)

  static let asciiPCD = Array(
    """
    # .PCD v0.7
    VERSION 0.7
    FIELDS x y z _ intensity label
    SIZE 4 4 4 1 1 4
    TYPE F F F U U U
    COUNT 1 1 1 2 1 1
    WIDTH 3
    HEIGHT 1
    VIEWPOINT 0 0 0 1 0 0 0
    POINTS 3
    DATA ascii
    1 2 3 0 0 9 10
    nan 2 3 0 0 8 40

    -1.5e1 +2.25 .5 0 0 7 70

    """.utf8
  )

  private static func pcdHeader(_ data: String) -> [UInt8] {
    Array(
      """
      VERSION .7
      FIELDS x y z ring
      SIZE 4 4 4 2
      TYPE F F F U
      WIDTH 3
      HEIGHT 1
      DATA \(data)

      """.utf8
    )
  }

  static let binaryPCD: [UInt8] = {
    var result = pcdHeader("binary")
    for row in 0..<3 {
      result += floats([Float(row), 1, 2 - Float(row)])
      result += bytes(UInt16(row))
    }
    return result
  }()

  /// The fields of `binaryPCD` one after another: x as literals, y as a repeat of four bytes.
  static let compressedPCD: [UInt8] = {
    var stream: [UInt8] = [11]
    stream += floats([0, 1, 2])
    stream += [3]
    stream += word(1)
    // Length 8 = 6 + 2 from 4 back: 1 repeats twice.
    stream += [6 << 5, 3]
    stream += [17]
    stream += floats([2, 1, 0])
    stream += [0, 0, 1, 0, 2, 0]
    var result = pcdHeader("binary_compressed")
    result += bytes(UInt32(stream.count))
    result += bytes(UInt32(42))
    return result + stream
  }()

  static let asciiPLY = Array(
    """
    ply
    format ascii 1.0
    comment made by hand
    element camera 1
    property list uchar float values
    property int id
    element vertex 2
    property double x
    property float y
    property list uchar int neighbours
    property float z
    property uchar scalar_Classification
    element face 1
    property list uchar int vertex_indices
    end_header
    2 0.5 0.25 7
    1 2 0 3 5
    4 5 3 1 2 3 6 6
    3 0 1 1

    """.utf8
  )

  static func binaryPLY(isBig: Bool) -> [UInt8] {
    func ordered(_ bytes: [UInt8]) -> [UInt8] { isBig ? bytes.reversed() : bytes }
    let header =
      """
      ply
      format binary_\(isBig ? "big" : "little")_endian 1.0
      element face 2
      property list uchar short vertex_indices
      element edge 1
      property int a
      element vertex 2
      property double x
      property short y
      property float z
      end_header

      """
    var result = Array(header.utf8)
    result += [1] + ordered(bytes(Int16(5))) + [0] + ordered(bytes(Int32(9)))
    for (x, y, z) in [(1.5, Int16(-2), Float(3)), (4, 5, 6)] {
      result += ordered(bytes(x.bitPattern)) + ordered(bytes(y)) + ordered(word(z))
    }
    return result
  }

  /// LAS 1.minor of two points in a point format, with `extra` bytes behind each record.
  static func las(
    format: Int,
    minor: UInt8 = 2,
    extra: Int = 0,
    offset: Double = 100
  ) -> [UInt8] {
    let length = [20, 28, 26, 34, 57, 63, 30, 36, 38, 59, 67][format] + extra
    var header = [UInt8](repeating: 0, count: minor == 4 ? 375 : 227)
    func put(_ bytes: [UInt8], _ at: Int) {
      header.replaceSubrange(at..<at + bytes.count, with: bytes)
    }
    put(Array("LASF".utf8), 0)
    put([1, minor], 24)
    put(bytes(UInt32(header.count)), 96)
    put([UInt8(format)] + bytes(UInt16(length)), 104)
    if minor == 4 { put(bytes(UInt64(2)), 247) } else { put(bytes(UInt32(2)), 107) }
    for axis in 0..<3 {
      put(bytes(0.5.bitPattern), 131 + 8 * axis)
      put(bytes(offset.bitPattern), 155 + 8 * axis)
    }
    for point in 0..<2 {
      var record = [UInt8](repeating: 0, count: length)
      let start = [Int32(2), -4, 6].flatMap(bytes) + bytes(UInt16(500 + point))
      record.replaceSubrange(0..<start.count, with: start)
      record[format < 6 ? 15 : 16] = format < 6 ? 0xE5 : 0x45
      header += record
    }
    return header
  }

  /// Writes bytes into a file of a new folder and calls `body` with its path.
  static func with<Result>(
    _ bytes: [UInt8],
    _ name: String,
    _ body: (String) throws -> Result
  ) throws -> Result {
    try withTemporaryFolder { folder in
      let path = folder + "/" + name
      try Data(bytes).write(to: URL(fileURLWithPath: path))
      return try body(path)
    }
  }
}
