public import Tensor

/// An array of numbers as it travels: elements in row-major order, little-endian.
public struct FlowerArray: Sendable, Hashable {
  /// The type of the elements.
  public let type: FlowerNumberType
  /// The extents, outermost first; empty for a single number.
  public let shape: [Int]
  /// The elements.
  public let bytes: [UInt8]

  /// An array of the given elements; their number of bytes must be that of the shape.
  public init(type: FlowerNumberType, shape: [Int], bytes: [UInt8]) {
    expect(
      Self.byteCount(type, shape) == bytes.count,
      "flower array: \(bytes.count) bytes for \(type.rawValue) of shape \(shape)"
    )
    self.type = type
    self.shape = shape
    self.bytes = bytes
  }

  /// The floats of a tensor.
  public init(_ tensor: Tensor<Float>) {
    self.init(type: .float32, shape: tensor.shape.extents, bytes: tensor.littleEndianBytes)
  }

  /// The integers of a tensor.
  public init(_ tensor: Tensor<Int32>) {
    self.init(type: .int32, shape: tensor.shape.extents, bytes: tensor.littleEndianBytes)
  }

  /// The bytes of all elements; nil where no memory could hold them.
  static func byteCount(_ type: FlowerNumberType, _ shape: [Int]) -> Int? {
    var count = type.byteCount
    for extent in shape {
      let (product, overflow) = count.multipliedReportingOverflow(by: extent)
      guard extent >= 0, !overflow else { return nil }
      count = product
    }
    return count
  }

  /// The elements as floats, rounded to nearest; truth values become 0 and 1.
  ///
  /// - Throws: `FlowerError.unsupportedArray` for more dimensions than tensors have.
  public func floats() throws(FlowerError) -> Tensor<Float> {
    guard let shape = Shape(validating: shape) else {
      throw .unsupportedArray(
        reason: "\(self.shape.count) dimensions, tensors have at most \(Shape.maximumRank)"
      )
    }
    return bytes.withUnsafeBytes { source in
      Tensor(uninitialized: shape) { target in fill(target, from: source) }
    }
  }

  private func fill(
    _ target: UnsafeMutableBufferPointer<Float>,
    from source: UnsafeRawBufferPointer
  ) {
    switch type {
    case .float32: UnsafeMutableRawBufferPointer(target).copyMemory(from: source)
    case .float16: convert(source, UInt16.self, target) { Float(Float16(bitPattern: $0)) }
    case .float64: convert(source, Double.self, target) { Float($0) }
    case .int8: convert(source, Int8.self, target) { Float($0) }
    case .int16: convert(source, Int16.self, target) { Float($0) }
    case .int32: convert(source, Int32.self, target) { Float($0) }
    case .int64: convert(source, Int64.self, target) { Float($0) }
    case .uint8: convert(source, UInt8.self, target) { Float($0) }
    case .uint16: convert(source, UInt16.self, target) { Float($0) }
    case .uint32: convert(source, UInt32.self, target) { Float($0) }
    case .uint64: convert(source, UInt64.self, target) { Float($0) }
    case .bool: convert(source, UInt8.self, target) { $0 == 0 ? 0 : 1 }
    }
  }
}

@inline(__always)
private func convert<Stored: BitwiseCopyable>(
  _ source: UnsafeRawBufferPointer,
  _ type: Stored.Type,
  _ target: UnsafeMutableBufferPointer<Float>,
  _ body: (Stored) -> Float
) {
  for place in target.indices {
    target[place] = body(
      source.loadUnaligned(fromByteOffset: place * MemoryLayout<Stored>.size, as: type)
    )
  }
}

extension Tensor {
  /// The elements as bytes; every platform of Swift is little-endian.
  fileprivate var littleEndianBytes: [UInt8] {
    withUnsafeElements { Array(UnsafeRawBufferPointer($0)) }
  }
}
