import Tensor

/// A field of four bytes in records that are written: a number of each point.
struct RecordColumn {
  let name: String
  let isFloat: Bool
  /// The bits of each number.
  let words: [UInt32]

  init(_ name: String, _ values: [Float]) {
    (self.name, isFloat, words) = (name, true, values.map { $0.bitPattern })
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

  /// Appends the records in little-endian order, each followed by its color if there are colors.
  static func append(
    _ columns: [RecordColumn],
    colors: [ClassColor]? = nil,
    count: Int,
    to bytes: inout [UInt8]
  ) {
    let stride = 4 * columns.count + (colors == nil ? 0 : 3)
    let start = bytes.count
    bytes += [UInt8](repeating: 0, count: count * stride)
    bytes.withUnsafeMutableBytes { bytes in
      for (index, column) in columns.enumerated() {
        for row in 0..<count {
          bytes.storeBytes(
            of: column.words[row].littleEndian,
            toByteOffset: start + row * stride + 4 * index,
            as: UInt32.self
          )
        }
      }
      guard let colors else { return }
      for row in 0..<count {
        let end = start + (row + 1) * stride
        bytes[end - 3] = colors[row].red
        bytes[end - 2] = colors[row].green
        bytes[end - 1] = colors[row].blue
      }
    }
  }
}
