import Tensor

/// A field of four bytes in records that are written: a number of each point.
struct RecordColumn {
  let name: String
  let isFloat: Bool
  /// The bits of each number.
  let words: [UInt32]

  init(_ name: String, _ values: [Float]) {
    (self.name, isFloat, words) = (name, true, values.map(\.bitPattern))
  }

  init(_ name: String, _ values: [Int32]) {
    (self.name, isFloat, words) = (name, false, values.map { UInt32(bitPattern: $0) })
  }

  /// All that is known of the points of a scan, under the names that the readers know.
  static func all(of scan: LidarScan) -> [RecordColumn] {
    let p = scan.positions.elements
    var columns = ["x", "y", "z"].enumerated().map { axis, name in
      RecordColumn(name, stride(from: axis, to: p.count, by: 3).map { p[$0] })
    }
    if let intensity = scan.intensity { columns.append(.init("intensity", intensity.elements)) }
    if let rings = scan.rings { columns.append(.init("ring", rings.elements)) }
    if let labels = scan.labels { columns.append(.init("label", labels.elements)) }
    if let instances = scan.instances { columns.append(.init("instance", instances.elements)) }
    return columns
  }

  /// Appends the records in little-endian order, each followed by `trailer(row)`.
  static func append(
    _ columns: [RecordColumn],
    count: Int,
    to bytes: inout [UInt8],
    trailer: (_ row: Int) -> [UInt8] = { _ in [] }
  ) {
    bytes.reserveCapacity(bytes.count + count * (4 * columns.count + 3))
    for row in 0..<count {
      for column in columns {
        withUnsafeBytes(of: column.words[row].littleEndian) { bytes.append(contentsOf: $0) }
      }
      bytes.append(contentsOf: trailer(row))
    }
  }
}
