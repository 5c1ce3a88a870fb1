import Checkpoints
import Tensor

extension LidarScan {
  /// The scan in a PCD file: fields x, y, z, and where they are there intensity, ring, label and
  /// instance.
  ///
  /// Points stay in the frame of the file; its VIEWPOINT is not applied.
  ///
  /// - Throws: `PointFileError` when the file cannot be read or is damaged.
  public init(pcd path: String) throws(PointFileError) {
    self = try ScanReading(contentsOf: path, options: ScanReadingOptions(format: .pcd)).scan
  }

  /// Writes a binary PCD file of all that is known of the points.
  ///
  /// - Throws: `PointFileError.unwritable`.
  public func writePCD(to path: String) throws(PointFileError) {
    let columns = RecordColumn.all(of: self)
    let header = [
      "# .PCD v0.7 - Point Cloud Data file format", "VERSION 0.7",
      "FIELDS " + columns.map(\.name).joined(separator: " "),
      "SIZE " + columns.map { _ in "4" }.joined(separator: " "),
      "TYPE " + columns.map { $0.isFloat ? "F" : "I" }.joined(separator: " "),
      "COUNT " + columns.map { _ in "1" }.joined(separator: " "),
      "WIDTH \(count)", "HEIGHT 1", "VIEWPOINT 0 0 0 1 0 0 0", "POINTS \(count)", "DATA binary\n",
    ]
    var bytes = Array(header.joined(separator: "\n").utf8)
    RecordColumn.append(columns, count: count, to: &bytes)
    try writeBytes(bytes, to: path)
  }
}

/// All points of a PCD file.
func pcdScan(
  _ file: MappedFile,
  _ options: ScanReadingOptions
) throws(PointFileError) -> LidarScan {
  let header = try PCDHeader(file)
  try checkPointCount(header.pointCount, file.path)
  let roles = try FieldRoles(header.fields.map(\.name), path: file.path)
  let columns =
    switch header.storage {
    case .ascii: try header.textColumns(roles, file)
    case .binary: try header.recordColumns(roles, file)
    case .compressed: try header.compressedColumns(roles, file)
    }
  let isPrecise =
    header.storage == .ascii
    || roles.fields.prefix(3).contains { header.fields[$0].type != .float32 }
  return try roles.scan(columns, isPrecise: isPrecise, file, options)
}

extension PCDHeader {
  /// Refuses a header that declares more bytes than there are.
  fileprivate func check(
    _ file: MappedFile,
    neededPerPoint: Int,
    found: Int
  ) throws(PointFileError) -> Int {
    let (needed, overflows) = pointCount.multipliedReportingOverflow(by: neededPerPoint)
    if !overflows, needed <= found { return needed }
    throw .truncated(
      path: file.path,
      what: "\(pointCount) points",
      neededByteCount: overflows ? .max : needed,
      foundByteCount: found
    )
  }

  fileprivate func textColumns(
    _ roles: FieldRoles,
    _ file: MappedFile
  ) throws(PointFileError) -> [[Double]] {
    var columns = [[Double]](repeating: [], count: roles.fields.count)
    guard pointCount > 0 else { return columns }
    var text = TextNumbers(file, from: dataOffset, line: dataLine)
    let width = fields.reduce(0) { $0 + $1.count }
    // A number takes at least a digit and a blank; behind the last there may be no line end.
    _ = try check(file, neededPerPoint: 2 * width, found: text.remainingByteCount + 1)
    var target = [Int?](repeating: nil, count: width)
    for (place, field) in roles.fields.enumerated() {
      target[fields[..<field].reduce(0) { $0 + $1.count }] = place
    }
    for index in columns.indices { columns[index].reserveCapacity(pointCount) }
    for _ in 0..<pointCount {
      text.beginRow()
      for place in target {
        let number = try text.next()
        if let place { columns[place].append(number) }
      }
      try text.endRow()
    }
    return columns
  }

  fileprivate func recordColumns(
    _ roles: FieldRoles,
    _ file: MappedFile
  ) throws(PointFileError) -> [[Double]] {
    let stride = recordByteCount
    let found = file.bytes.count - dataOffset
    let needed = try check(file, neededPerPoint: stride, found: found)
    let bytes = UnsafeRawBufferPointer(rebasing: file.bytes[dataOffset..<dataOffset + needed])
    return roles.fields.map { field in
      let offset = fields[..<field].reduce(0) { $0 + $1.byteCount }
      return FieldPlace(type: fields[field].type, offset: offset, stride: stride)
        .column(bytes, count: pointCount)
    }
  }

  /// The fields one after another, each for all points.
  fileprivate func compressedColumns(
    _ roles: FieldRoles,
    _ file: MappedFile
  ) throws(PointFileError) -> [[Double]] {
    let bytes = file.bytes
    guard bytes.count - dataOffset >= 8 else {
      throw .truncated(
        path: file.path,
        what: "the two sizes of the compressed points",
        neededByteCount: 8,
        foundByteCount: bytes.count - dataOffset
      )
    }
    func word(_ offset: Int) -> Int {
      Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
    }
    let (packed, raw) = (word(dataOffset), word(dataOffset + 4))
    let start = dataOffset + 8
    guard packed <= bytes.count - start else {
      throw .truncated(
        path: file.path,
        what: "the compressed points",
        neededByteCount: packed,
        foundByteCount: bytes.count - start
      )
    }
    guard raw <= LZF.largestExpansion * packed else {
      let reason = "\(packed) compressed bytes cannot hold \(raw)"
      throw .malformed(path: file.path, place: .byte(dataOffset), reason: reason)
    }
    _ = try check(file, neededPerPoint: recordByteCount, found: raw)
    let points = try decoded(file, start..<start + packed, byteCount: raw)
    return points.withUnsafeBytes { points in columns(roles, points) }
  }

  private func decoded(
    _ file: MappedFile,
    _ range: Range<Int>,
    byteCount: Int
  ) throws(PointFileError) -> [UInt8] {
    var fault: Int?
    let source = UnsafeRawBufferPointer(rebasing: file.bytes[range])
    let points = [UInt8](unsafeUninitializedCapacity: byteCount) { target, count in
      let exact = UnsafeMutableBufferPointer(rebasing: target[..<byteCount])
      fault = LZF.decode(source, to: UnsafeMutableRawBufferPointer(exact))
      count = fault == nil ? byteCount : 0
    }
    guard let fault else { return points }
    throw .malformed(
      path: file.path,
      place: .byte(range.lowerBound + fault),
      reason: "the compressed points do not decode to \(byteCount) bytes"
    )
  }

  private func columns(_ roles: FieldRoles, _ bytes: UnsafeRawBufferPointer) -> [[Double]] {
    roles.fields.map { field in
      let before = fields[..<field].reduce(0) { $0 + $1.byteCount }
      let place = FieldPlace(
        type: fields[field].type,
        offset: before * pointCount,
        stride: fields[field].byteCount
      )
      return place.column(bytes, count: pointCount)
    }
  }
}
