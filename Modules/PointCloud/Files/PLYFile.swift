import Checkpoints
public import Tensor

extension LidarScan {
  /// The scan in a PLY file: the properties x, y, z of its vertices, and where they are there
  /// intensity, ring, label and instance.
  ///
  /// - Throws: `PointFileError` when the file cannot be read or is damaged.
  public init(ply path: String) throws(PointFileError) {
    self = try ScanReading(contentsOf: path, options: ScanReadingOptions(format: .ply)).scan
  }

  /// Writes a binary PLY file of all that is known of the points.
  ///
  /// - Throws: `PointFileError.unwritable`.
  public func writePLY(to path: String) throws(PointFileError) {
    try writePLY(to: path, colors: nil)
  }

  /// Writes a binary PLY file of all that is known of the points, each in the color of its class:
  /// for a look at predictions in any viewer.
  ///
  /// - Parameters:
  ///   - path: where the file goes.
  ///   - classes: the class of each point [P].
  ///   - map: what the classes are.
  /// - Throws: `PointFileError.unwritable`.
  public func writePLY(
    to path: String,
    coloredBy classes: Tensor<Int32>,
    of map: LabelMap
  ) throws(PointFileError) {
    expect(
      classes.shape == [count],
      "write PLY: \(classes.shape) classes for \(count) points"
    )
    let colors = map.colors(of: classes)
    try writePLY(to: path, colors: colors)
  }

  private func writePLY(to path: String, colors: [ClassColor]?) throws(PointFileError) {
    let columns = RecordColumn.all(of: self)
    var header = ["ply", "format binary_little_endian 1.0", "element vertex \(count)"]
    header += columns.map { "property \($0.isFloat ? "float" : "int") \($0.name)" }
    if colors != nil { header += ["red", "green", "blue"].map { "property uchar \($0)" } }
    var bytes = Array((header + ["end_header\n"]).joined(separator: "\n").utf8)
    RecordColumn.append(columns, colors: colors, count: count, to: &bytes)
    try writeBytes(bytes, to: path)
  }
}

/// All vertices of a PLY file.
func plyScan(
  _ file: MappedFile,
  _ options: ScanReadingOptions
) throws(PointFileError) -> LidarScan {
  let header = try PLYHeader(file)
  guard let place = header.elements.firstIndex(where: { $0.name == "vertex" }) else {
    throw .malformed(path: file.path, place: nil, reason: "the header has no element vertex")
  }
  let vertex = header.elements[place]
  try checkPointCount(vertex.count, file.path)
  let names = vertex.properties.map { $0.lengthType == nil ? $0.name : "list " + $0.name }
  let roles = try FieldRoles(names, path: file.path)
  let columns: [[Double]]
  switch header.storage {
  case .ascii:
    var text = PLYText(file, header)
    for element in header.elements[..<place] { _ = try text.columns(of: element, []) }
    columns = try text.columns(of: vertex, roles.fields)
  case .littleEndian, .bigEndian:
    var records = PLYRecords(file, header)
    for element in header.elements[..<place] { _ = try records.columns(of: element, []) }
    columns = try records.columns(of: vertex, roles.fields)
  }
  let isPrecise =
    header.storage == .ascii
    || roles.fields.prefix(3).contains { vertex.properties[$0].type != .float32 }
  return try roles.scan(columns, isPrecise: isPrecise, file, options)
}

/// Refuses an element that declares more bytes than there are; returns how many it takes at least.
@discardableResult
private func check(
  _ element: PLYHeader.Element,
  bytesEach: Int,
  found: Int,
  path: String
) throws(PointFileError) -> Int {
  let (needed, overflows) = element.count.multipliedReportingOverflow(by: bytesEach)
  if !overflows, needed <= found { return needed }
  throw .truncated(
    path: path,
    what: "\(element.count) records of element \(element.name)",
    neededByteCount: overflows ? .max : needed,
    foundByteCount: found
  )
}

/// The elements of an `ascii` file: a line for each record.
private struct PLYText {
  private let path: String
  private var text: TextNumbers

  init(_ file: MappedFile, _ header: PLYHeader) {
    path = file.path
    text = TextNumbers(file, from: header.dataOffset, line: header.dataLine)
  }

  /// Reads the next element; returns the numbers of these properties.
  mutating func columns(
    of element: PLYHeader.Element,
    _ wanted: [Int]
  ) throws(PointFileError) -> [[Double]] {
    var columns = [[Double]](repeating: [], count: wanted.count)
    guard !element.properties.isEmpty else { return columns }
    // A number takes at least a digit and a blank; behind the last there may be no line end.
    let found = text.remainingByteCount + 1
    try check(element, bytesEach: 2 * element.properties.count, found: found, path: path)
    let place = element.properties.indices.map { wanted.firstIndex(of: $0) }
    for index in columns.indices { columns[index].reserveCapacity(element.count) }
    for _ in 0..<element.count {
      text.beginRow()
      for (index, property) in element.properties.enumerated() {
        let number = try text.next()
        if property.lengthType != nil {
          try skipList(number)
        } else if let column = place[index] {
          columns[column].append(number)
        }
      }
      try text.endRow()
    }
    return columns
  }

  private mutating func skipList(_ length: Double) throws(PointFileError) {
    guard let length = Int(exactly: length), length >= 0 else {
      throw text.fault("a list of \(length) numbers")
    }
    for _ in 0..<length { _ = try text.next() }
  }
}

/// The elements of a binary file: records without gaps.
private struct PLYRecords {
  private let file: MappedFile
  private let isBigEndian: Bool
  private var offset: Int

  init(_ file: MappedFile, _ header: PLYHeader) {
    self.file = file
    isBigEndian = header.storage == .bigEndian
    offset = header.dataOffset
  }

  /// Reads the next element; returns the numbers of these properties.
  mutating func columns(
    of element: PLYHeader.Element,
    _ wanted: [Int]
  ) throws(PointFileError) -> [[Double]] {
    let stride = element.leastByteCount
    let needed = try check(
      element,
      bytesEach: stride,
      found: file.bytes.count - offset,
      path: file.path
    )
    guard element.isRegular else { return try irregularColumns(of: element, wanted) }
    let bytes = UnsafeRawBufferPointer(rebasing: file.bytes[offset..<offset + needed])
    offset += needed
    return wanted.map { index in
      let before = element.properties[..<index].reduce(0) { $0 + $1.type.byteCount }
      return place(element.properties[index].type, before, stride)
        .column(bytes, count: element.count)
    }
  }

  /// The same, record by record, with lists among the properties.
  private mutating func irregularColumns(
    of element: PLYHeader.Element,
    _ wanted: [Int]
  ) throws(PointFileError) -> [[Double]] {
    var columns = [[Double]](repeating: [], count: wanted.count)
    let target = element.properties.indices.map { wanted.firstIndex(of: $0) }
    for index in columns.indices { columns[index].reserveCapacity(element.count) }
    for _ in 0..<element.count {
      for (index, property) in element.properties.enumerated() {
        let number = try next(property.lengthType ?? property.type)
        if property.lengthType != nil {
          try skipList(number, of: property.type)
        } else if let column = target[index] {
          columns[column].append(number)
        }
      }
    }
    return columns
  }

  private mutating func next(_ type: FieldType) throws(PointFileError) -> Double {
    guard type.byteCount <= file.bytes.count - offset else {
      throw fault("the records end too early")
    }
    defer { offset += type.byteCount }
    return place(type, offset, 0).column(file.bytes, count: 1)[0]
  }

  private mutating func skipList(_ length: Double, of type: FieldType) throws(PointFileError) {
    guard let length = Int(exactly: length), length >= 0,
      length <= (file.bytes.count - offset) / type.byteCount
    else { throw fault("a list of \(length) numbers") }
    offset += length * type.byteCount
  }

  private func place(_ type: FieldType, _ offset: Int, _ stride: Int) -> FieldPlace {
    FieldPlace(type: type, offset: offset, stride: stride, isBigEndian: isBigEndian)
  }

  private func fault(_ reason: String) -> PointFileError {
    .malformed(path: file.path, place: .byte(offset), reason: reason)
  }
}
