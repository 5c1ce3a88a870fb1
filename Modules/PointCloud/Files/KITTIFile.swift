import Checkpoints
import Tensor

// KITTI .bin: single-precision numbers in little-endian order, nothing else.
//   4 a point: x y z remission (0…1)               KITTI, SemanticKITTI, RELLIS-3D
//   5 a point: x y z reflectivity ring             conversions of Ouster's recordings
//   6 a point: x y z intensity elongation time     conversions of Waymo

extension LidarScan {
  /// The scan in a file of KITTI's layout; see `ScanReadingOptions.floatsPerPoint`.
  ///
  /// - Throws: `PointFileError` when the file cannot be read or is no whole number of points.
  public init(
    kitti path: String,
    labels labelPath: String? = nil,
    floatsPerPoint: Int? = nil
  ) throws(PointFileError) {
    let options = ScanReadingOptions(
      format: .kitti,
      floatsPerPoint: floatsPerPoint,
      labelPath: labelPath
    )
    self = try ScanReading(contentsOf: path, options: options).scan
  }

  /// Writes x, y, z, intensity of each point in KITTI's layout; 0 without intensity.
  ///
  /// - Throws: `PointFileError.unwritable`.
  public func writeKITTI(to path: String) throws(PointFileError) {
    var numbers = [Float](repeating: 0, count: 4 * count)
    let (p, i) = (positions.elements, intensity?.elements)
    for row in 0..<count {
      numbers[4 * row] = p[3 * row]
      numbers[4 * row + 1] = p[3 * row + 1]
      numbers[4 * row + 2] = p[3 * row + 2]
      if let i { numbers[4 * row + 3] = i[row] }
    }
    try writeWords(numbers.map { $0.bitPattern }, to: path)
  }
}

/// All points of a KITTI file.
func kittiScan(
  _ file: MappedFile,
  _ options: ScanReadingOptions
) throws(PointFileError) -> LidarScan {
  let width = try floatsPerPoint(file, options)
  let numbers = FloatRows(file.bytes, width: width)
  try checkPointCount(numbers.count, file.path)
  return LidarScan(
    positions: numbers.positions(),
    intensity: width > 3 ? numbers.column(3) : nil,
    rings: width == 5 ? numbers.wholeColumn(4) : nil
  )
}

private func floatsPerPoint(
  _ file: MappedFile,
  _ options: ScanReadingOptions
) throws(PointFileError) -> Int {
  let count = file.bytes.count
  if let width = options.floatsPerPoint {
    guard (3...64).contains(width) else {
      let what = "a KITTI file of \(width) numbers a point"
      throw .unsupported(path: file.path, what: what, advice: "give 3 to 64 as floatsPerPoint")
    }
    if count % (4 * width) == 0 { return width }
    throw .malformed(path: file.path, place: nil, reason: misfit(count, width))
  }
  if count % 20 == 0, FloatRows(file.bytes, width: 5).endInRings { return 5 }
  guard count % 16 == 0 else {
    throw .malformed(path: file.path, place: nil, reason: misfit(count, 4))
  }
  try checkIntensities(file)
  return 4
}

/// Refuses a file that is not of four numbers a point, to judge by the fourth, and may be of another
/// number: intensities are not negative, coordinates are.
private func checkIntensities(_ file: MappedFile) throws(PointFileError) {
  guard let row = FloatRows(file.bytes, width: 4).firstNegative(column: 3) else { return }
  let others = [6, 5, 7, 8].filter { width in
    file.bytes.count % (4 * width) == 0
      && FloatRows(file.bytes, width: width).firstNegative(column: 3) == nil
  }
  guard !others.isEmpty else { return }
  let widths = others.map(String.init).joined(separator: " or ")
  throw .malformed(
    path: file.path,
    place: .point(row),
    reason: "as four numbers a point its intensity is negative, as \(widths) none is: give "
      + "floatsPerPoint"
  )
}

private func misfit(_ count: Int, _ width: Int) -> String {
  let fitting = [4, 5, 6, 3, 7, 8].filter { count % (4 * $0) == 0 }.map(String.init)
  return "\(count) bytes are no whole number of points of \(width) numbers"
    + (fitting.isEmpty
      ? "; the file is cut off, or of another format"
      : "; they are of \(fitting.joined(separator: " or ")): give floatsPerPoint")
}

/// Refuses more points than a row number can tell apart.
func checkPointCount(_ count: Int, _ path: String) throws(PointFileError) {
  guard count > Int(Int32.max) else { return }
  throw .unsupported(
    path: path,
    what: "a file of \(count) points",
    advice: "split it into scans of at most \(Int32.max)"
  )
}

/// Rows of single-precision numbers in little-endian order.
struct FloatRows {
  private let bytes: UnsafeRawBufferPointer
  private let width: Int
  /// The number of whole rows.
  let count: Int

  init(_ bytes: UnsafeRawBufferPointer, width: Int) {
    (self.bytes, self.width) = (bytes, width)
    count = bytes.count / (4 * width)
  }

  @inline(__always)
  func value(_ row: Int, _ column: Int) -> Float {
    let word = bytes.loadUnaligned(fromByteOffset: 4 * (row * width + column), as: UInt32.self)
    return Float(bitPattern: UInt32(littleEndian: word))
  }

  /// The first three columns [P × 3].
  func positions() -> Tensor<Float> {
    Tensor(uninitialized: [count, 3]) { target in
      for row in 0..<count {
        for axis in 0..<3 { target[3 * row + axis] = value(row, axis) }
      }
    }
  }

  /// A column [P].
  func column(_ index: Int) -> Tensor<Float> {
    Tensor(uninitialized: [count]) { target in
      for row in 0..<count { target[row] = value(row, index) }
    }
  }

  /// The first row whose number in a column is below 0.
  func firstNegative(column: Int) -> Int? {
    (0..<count).first { value($0, column) < 0 }
  }

  /// A column of whole numbers [P].
  func wholeColumn(_ index: Int) -> Tensor<Int32> {
    Tensor(uninitialized: [count]) { target in
      for row in 0..<count { target[row] = whole(Double(value(row, index))) }
    }
  }

  /// Whether the fifth number of every point is a ring, and not always the same.
  ///
  /// In a file of four numbers a point the same places hold coordinates, which are not whole; so a
  /// file of nothing but whole numbers says nothing.
  var endInRings: Bool {
    var (lowest, highest) = (Float.infinity, -Float.infinity)
    var hasFraction = false
    for row in 0..<count {
      let ring = value(row, 4)
      guard ring >= 0, ring < 1024, isWhole(ring) else { return false }
      (lowest, highest) = (min(lowest, ring), max(highest, ring))
      hasFraction = hasFraction || (0..<3).contains { !isWhole(value(row, $0)) }
    }
    return hasFraction && lowest < highest
  }
}

private func isWhole(_ value: Float) -> Bool { value == value.rounded(.towardZero) }
