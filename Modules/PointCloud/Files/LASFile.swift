import Checkpoints
import Tensor

extension LidarScan {
  /// The scan in a LAS file: positions, intensity, and the classification as label.
  ///
  /// - Parameters:
  ///   - path: a file of LAS 1.0 to 1.4, point formats 0 to 10, not compressed.
  ///   - origin: what is taken off the coordinates before they are rounded to single precision;
  ///     maps lie hundreds of kilometres from theirs.
  /// - Throws: `PointFileError` when the file cannot be read, is compressed (LAZ) or damaged.
  public init(las path: String, origin: SIMD3<Double> = .zero) throws(PointFileError) {
    var options = ScanReadingOptions(format: .las)
    options.origin = origin
    self = try ScanReading(contentsOf: path, options: options).scan
  }
}

/// All points of a LAS file.
func lasScan(
  _ file: MappedFile,
  _ options: ScanReadingOptions
) throws(PointFileError) -> LidarScan {
  let header = try LASHeader(file)
  let (start, count) = (header.dataOffset, header.pointCount)
  let bytes = UnsafeRawBufferPointer(
    rebasing: file.bytes[start..<start + count * header.recordByteCount]
  )
  func column(_ type: FieldType, _ offset: Int) -> [Double] {
    FieldPlace(type: type, offset: offset, stride: header.recordByteCount)
      .column(bytes, count: count)
  }
  let metres = (0..<3).map { axis in
    column(.int32, 4 * axis).map { $0 * header.scale[axis] + header.offset[axis] }
  }
  // Formats 0 to 5 share the byte of the class with three flags.
  let isOld = header.pointFormat < 6
  let classes = column(.uint8, isOld ? 15 : 16)
  return LidarScan(
    positions: try nearPositions(metres, origin: options.origin, path: file.path),
    intensity: Tensor(column(.uint16, 12).map { Float($0) }, shape: [count]),
    labels: Tensor(classes.map { Int32($0) & (isOld ? 0x1F : 0xFF) }, shape: [count])
  )
}

/// The part of a LAS header that positions and classes need.
private struct LASHeader {
  var pointFormat = 0
  var recordByteCount = 0
  var pointCount = 0
  var dataOffset = 0
  var scale = SIMD3<Double>()
  var offset = SIMD3<Double>()

  /// The bytes of a record in point formats 0 to 10; records may be longer.
  private static let leastByteCounts = [20, 28, 26, 34, 57, 63, 30, 36, 38, 59, 67]

  init(_ file: MappedFile) throws(PointFileError) {
    let (path, bytes) = (file.path, file.bytes)
    guard bytes.starts(with: "LASF".utf8) else {
      throw .malformed(path: path, place: .byte(0), reason: "the file does not begin with LASF")
    }
    func check(_ needed: Int) throws(PointFileError) {
      guard bytes.count < needed else { return }
      throw .truncated(
        path: path,
        what: "the header",
        neededByteCount: needed,
        foundByteCount: bytes.count
      )
    }
    try check(227)
    let (major, minor) = (bytes[24], bytes[25])
    guard major == 1, minor <= 4 else {
      let advice = "convert it to LAS 1.4"
      throw .unsupported(path: path, what: "LAS \(major).\(minor)", advice: advice)
    }
    try readLayout(bytes, path)
    pointCount = Int(word(bytes, 107, UInt32.self))
    // 1.4 counts in 64 bits; its old count is 0 in the new formats or when it does not suffice.
    if minor == 4, pointCount == 0 {
      try check(255)
      pointCount = Int(clamping: word(bytes, 247, UInt64.self))
    }
    try readAxes(bytes, path)
    let (needed, overflows) = pointCount.multipliedReportingOverflow(by: recordByteCount)
    guard !overflows, needed <= bytes.count - dataOffset else {
      throw .truncated(
        path: path,
        what: "\(pointCount) points",
        neededByteCount: overflows ? .max : needed,
        foundByteCount: bytes.count - dataOffset
      )
    }
    try checkPointCount(pointCount, path)
  }

  private mutating func readAxes(
    _ bytes: UnsafeRawBufferPointer,
    _ path: String
  ) throws(PointFileError) {
    for axis in 0..<3 {
      scale[axis] = Double(bitPattern: word(bytes, 131 + 8 * axis, UInt64.self))
      offset[axis] = Double(bitPattern: word(bytes, 155 + 8 * axis, UInt64.self))
      guard scale[axis].isFinite, scale[axis] != 0, offset[axis].isFinite else {
        let reason = "scale \(scale[axis]), offset \(offset[axis]) of axis \(axis)"
        throw .malformed(path: path, place: .byte(131 + 8 * axis), reason: reason)
      }
    }
  }

  private mutating func readLayout(
    _ bytes: UnsafeRawBufferPointer,
    _ path: String
  ) throws(PointFileError) {
    pointFormat = Int(bytes[104])
    guard pointFormat & 0xC0 == 0 else {
      let advice = "decompress it first: laszip -i FILE.laz -o FILE.las, or pdal translate"
      throw .unsupported(path: path, what: "compressed LAS (LAZ)", advice: advice)
    }
    guard pointFormat < Self.leastByteCounts.count else {
      let advice = "convert it to format 6"
      throw .unsupported(path: path, what: "LAS point format \(pointFormat)", advice: advice)
    }
    recordByteCount = Int(word(bytes, 105, UInt16.self))
    let least = Self.leastByteCounts[pointFormat]
    guard recordByteCount >= least else {
      let reason = "records of \(recordByteCount) bytes, format \(pointFormat) needs \(least)"
      throw .malformed(path: path, place: .byte(105), reason: reason)
    }
    dataOffset = Int(word(bytes, 96, UInt32.self))
    guard dataOffset >= 227, dataOffset <= bytes.count else {
      let reason = "points at byte \(dataOffset) of a file of \(bytes.count)"
      throw .malformed(path: path, place: .byte(96), reason: reason)
    }
  }
}

private func word<Word: FixedWidthInteger>(
  _ bytes: UnsafeRawBufferPointer,
  _ offset: Int,
  _ type: Word.Type
) -> Word {
  Word(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Word.self))
}
