import Checkpoints
import Tensor

/// The number types of PCD and PLY.
enum FieldType: Sendable {
  case int8, uint8, int16, uint16, int32, uint32, int64, uint64, float32, float64

  var byteCount: Int {
    switch self {
    case .int8, .uint8: 1
    case .int16, .uint16: 2
    case .int32, .uint32, .float32: 4
    case .int64, .uint64, .float64: 8
    }
  }
}

/// Where the numbers of a field lie: one in each record of `stride` bytes.
struct FieldPlace {
  var type: FieldType
  var offset: Int
  var stride: Int
  var isBigEndian = false

  /// The numbers of `count` records, which must lie in `bytes`.
  func column(_ bytes: UnsafeRawBufferPointer, count: Int) -> [Double] {
    switch type {
    case .int8: numbers(bytes, count) { Double(Int8(bitPattern: $0)) }
    case .uint8: numbers(bytes, count) { (bits: UInt8) in Double(bits) }
    case .int16: numbers(bytes, count) { Double(Int16(bitPattern: $0)) }
    case .uint16: numbers(bytes, count) { (bits: UInt16) in Double(bits) }
    case .int32: numbers(bytes, count) { Double(Int32(bitPattern: $0)) }
    case .uint32: numbers(bytes, count) { (bits: UInt32) in Double(bits) }
    case .int64: numbers(bytes, count) { Double(Int64(bitPattern: $0)) }
    case .uint64: numbers(bytes, count) { (bits: UInt64) in Double(bits) }
    case .float32: numbers(bytes, count) { Double(Float(bitPattern: $0)) }
    case .float64: numbers(bytes, count) { Double(bitPattern: $0) }
    }
  }

  @inline(__always)
  private func numbers<Bits: FixedWidthInteger>(
    _ bytes: UnsafeRawBufferPointer,
    _ count: Int,
    _ value: (Bits) -> Double
  ) -> [Double] {
    [Double](unsafeUninitializedCapacity: count) { target, initialized in
      for row in 0..<count {
        let bits = bytes.loadUnaligned(fromByteOffset: offset + row * stride, as: Bits.self)
        target[row] = value(isBigEndian ? Bits(bigEndian: bits) : Bits(littleEndian: bits))
      }
      initialized = count
    }
  }
}

/// Which fields of a file become which part of a scan.
struct FieldRoles {
  /// The index of each field that is read: x, y, z, then the others that are there.
  private(set) var fields: [Int] = []
  private var intensity: Int?
  private var ring: Int?
  private var label: Int?
  private var instance: Int?

  /// Finds the fields by their names, in any case and with the prefix of CloudCompare.
  init(_ names: [String], path: String) throws(PointFileError) {
    let known = names.map { name in
      let name = name.lowercased()
      return name.hasPrefix("scalar_") ? String(name.dropFirst(7)) : name
    }
    for axis in ["x", "y", "z"] {
      guard let index = known.firstIndex(of: axis) else {
        throw .missingField(path: path, name: axis, available: names)
      }
      fields.append(index)
    }
    intensity = add(["intensity", "i", "remission", "reflectivity", "reflectance"], in: known)
    ring = add(["ring", "channel", "laser_id", "laserid"], in: known)
    label = add(["label", "class", "classification", "semantic"], in: known)
    instance = add(["instance", "instance_id", "instanceid"], in: known)
  }

  /// The place among `fields` of the first of these names that is there.
  private mutating func add(_ names: [String], in known: [String]) -> Int? {
    for name in names {
      guard let index = known.firstIndex(of: name) else { continue }
      fields.append(index)
      return fields.count - 1
    }
    return nil
  }

  /// The scan of these columns, one for each of `fields`.
  ///
  /// `isPrecise` tells that the file holds positions in more than single precision.
  func scan(
    _ columns: [[Double]],
    isPrecise: Bool,
    _ file: MappedFile,
    _ options: ScanReadingOptions
  ) throws(PointFileError) -> LidarScan {
    let shape: Shape = [columns[0].count]
    func wholes(_ place: Int?) -> Tensor<Int32>? {
      place.map { Tensor(columns[$0].map(whole), shape: shape) }
    }
    return LidarScan(
      positions: isPrecise
        ? try nearPositions(columns, origin: options.origin, path: file.path)
        : positions(columns),
      intensity: intensity.map { Tensor(columns[$0].map { Float($0) }, shape: shape) },
      rings: wholes(ring),
      labels: wholes(label),
      instances: wholes(instance)
    )
  }
}

private func positions(_ columns: [[Double]]) -> Tensor<Float> {
  Tensor(uninitialized: [columns[0].count, 3]) { target in
    for axis in 0..<3 {
      for (row, value) in columns[axis].enumerated() { target[3 * row + axis] = Float(value) }
    }
  }
}

/// The distance in metres from which single precision rounds to more than a centimetre.
private let farthestCoordinate = 131_072.0

/// Positions in double precision, less the origin, in single precision.
///
/// - Throws: `PointFileError.farCoordinate` where that would lose more than about a centimetre.
func nearPositions(
  _ columns: [[Double]],
  origin: SIMD3<Double>,
  path: String
) throws(PointFileError) -> Tensor<Float> {
  var far: (row: Int, value: Double)?
  let result = Tensor<Float>(uninitialized: [columns[0].count, 3]) { target in
    for axis in 0..<3 {
      for (row, value) in columns[axis].enumerated() {
        let near = value - origin[axis]
        if near.isFinite, near.magnitude > farthestCoordinate, far == nil { far = (row, near) }
        target[3 * row + axis] = Float(near)
      }
    }
  }
  if let far { throw .farCoordinate(path: path, point: far.row, value: far.value) }
  return result
}
