import Checkpoints

/// NumPy's format: 93 'NUMPY' 1 0 | length of the header, two bytes | header | elements.
extension FlowerArray {
  /// Where NumPy lets the elements begin.
  private static let alignment = 64
  /// The digits for which NumPy leaves room, so that the first axis can grow in place.
  private static let growthDigits = 21

  /// The array as a file, byte for byte as NumPy writes it.
  var npy: [UInt8] {
    var text = "{'descr': '\(type.code)', 'fortran_order': False, 'shape': \(tuple), }"
    if let first = shape.first {
      text += String(repeating: " ", count: max(0, Self.growthDigits - "\(first)".utf8.count))
    }
    let used = 10 + text.utf8.count + 1
    text += String(repeating: " ", count: Self.alignment - used % Self.alignment) + "\n"
    let length = text.utf8.count
    var file: [UInt8] = [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59, 1, 0]
    file.reserveCapacity(10 + length + bytes.count)
    file.append(UInt8(truncatingIfNeeded: length))
    file.append(UInt8(truncatingIfNeeded: length >> 8))
    file.append(contentsOf: text.utf8)
    file.append(contentsOf: bytes)
    return file
  }

  private var tuple: String {
    let extents = shape.map(String.init).joined(separator: ", ")
    return "(\(extents)\(shape.count == 1 ? "," : ""))"
  }

  /// The array that a file holds; versions 1 to 3, both byte orders, both orders of axes.
  init(npy file: [UInt8], id: String) throws(FlowerError) {
    let outcome = file.withUnsafeBytes { bytes in
      Result<NPYHeader, CheckpointError> { () throws(CheckpointError) in
        try NPYHeader(bytes, "array")
      }
    }
    let header: NPYHeader
    switch outcome {
    case .success(let found): header = found
    case .failure(let error): throw .malformedObject(id: id, reason: "\(error)")
    }
    guard let (type, isBigEndian) = FlowerNumberType.parse(code: header.type) else {
      throw .malformedObject(id: id, reason: "elements of type \(header.type.prefix(40))")
    }
    let found = file.count - header.end
    guard Self.byteCount(type, header.extents) == found else {
      throw .malformedObject(
        id: id,
        reason: "\(found) bytes for \(type.rawValue) of shape \(header.extents.prefix(8))"
      )
    }
    var elements = Array(file[header.end...])
    if isBigEndian { reverseBytes(of: &elements, width: type.byteCount) }
    if header.isColumnMajor, header.extents.count > 1 {
      elements = rowMajor(elements, extents: header.extents, width: type.byteCount)
    }
    self.init(type: type, shape: header.extents, bytes: elements)
  }
}

private func reverseBytes(of elements: inout [UInt8], width: Int) {
  for start in stride(from: 0, to: elements.count, by: width) {
    elements[start..<start + width].reverse()
  }
}

/// The elements in row-major order, from column-major order.
private func rowMajor(_ elements: [UInt8], extents: [Int], width: Int) -> [UInt8] {
  var strides = [Int](repeating: width, count: extents.count)
  for axis in 1..<extents.count { strides[axis] = strides[axis - 1] * extents[axis - 1] }
  var index = [Int](repeating: 0, count: extents.count)
  var source = 0
  var result: [UInt8] = []
  result.reserveCapacity(elements.count)
  while result.count < elements.count {
    result.append(contentsOf: elements[source..<source + width])
    for axis in extents.indices.reversed() {
      index[axis] += 1
      source += strides[axis]
      if index[axis] < extents[axis] { break }
      source -= index[axis] * strides[axis]
      index[axis] = 0
    }
  }
  return result
}
