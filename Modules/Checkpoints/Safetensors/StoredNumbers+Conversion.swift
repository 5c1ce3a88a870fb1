import Tensor

extension StoredNumbers {
  /// Converts all elements into memory for elements of another type.
  func convert(
    into target: UnsafeMutableRawBufferPointer,
    as element: ElementType
  ) throws(CheckpointError) {
    switch element {
    case .float32: try convertReal(into: target.bindMemory(to: Float.self), element)
    case .float64: try convertReal(into: target.bindMemory(to: Double.self), element)
    case .int64: try convertIntegers(into: target.bindMemory(to: Int64.self), element)
    case .int32: try convertIntegers(into: target.bindMemory(to: Int32.self), element)
    case .uint8 where type == .bool:
      target.copyMemory(from: bytes)
    case .float16, .bfloat16, .int8, .uint8, .bool: throw inconvertible(element)
    }
  }

  private func convertReal<Real: BinaryFloatingPoint>(
    into target: UnsafeMutableBufferPointer<Real>,
    _ element: ElementType
  ) throws(CheckpointError) {
    switch type {
    case .float64: each(Double.self, target) { Real($0) }
    case .float32: each(Float.self, target) { Real($0) }
    case .float16: each(Float16.self, target) { Real($0) }
    case .bfloat16: each(BFloat16.self, target) { Real(Float($0)) }
    case .int64: each(Int64.self, target) { Real($0) }
    case .uint64: each(UInt64.self, target) { Real($0) }
    case .int32: each(Int32.self, target) { Real($0) }
    case .uint32: each(UInt32.self, target) { Real($0) }
    case .int16: each(Int16.self, target) { Real($0) }
    case .uint16: each(UInt16.self, target) { Real($0) }
    case .int8: each(Int8.self, target) { Real($0) }
    case .uint8, .bool: each(UInt8.self, target) { Real($0) }
    case .complex64: throw inconvertible(element)
    case .float8e5m2, .float8e4m3, .float8e8m0, .float8e4m3fnuz, .float8e5m2fnuz, .float6e2m3,
      .float6e3m2, .float4:
      throw .unsupportedType(path: file.path, tensor: name, type: type.rawValue)
    }
  }

  private func convertIntegers<Whole: FixedWidthInteger>(
    into target: UnsafeMutableBufferPointer<Whole>,
    _ element: ElementType
  ) throws(CheckpointError) {
    switch type {
    case .int64: try whole(Int64.self, target, element)
    case .uint64: try whole(UInt64.self, target, element)
    case .int32: try whole(Int32.self, target, element)
    case .uint32: try whole(UInt32.self, target, element)
    case .int16: try whole(Int16.self, target, element)
    case .uint16: try whole(UInt16.self, target, element)
    case .int8: try whole(Int8.self, target, element)
    case .uint8, .bool: try whole(UInt8.self, target, element)
    case .float16, .bfloat16, .float32, .float64, .complex64, .float8e5m2, .float8e4m3,
      .float8e8m0, .float8e4m3fnuz, .float8e5m2fnuz, .float6e2m3, .float6e3m2, .float4:
      throw inconvertible(element)
    }
  }

  /// Converts integers of which none may be out of the target's range.
  private func whole<Source: FixedWidthInteger & BitwiseCopyable, Whole: FixedWidthInteger>(
    _ source: Source.Type,
    _ target: UnsafeMutableBufferPointer<Whole>,
    _ element: ElementType
  ) throws(CheckpointError) {
    var (low, high) = (Source(0), Source(0))
    each(source, target) { value in
      low = min(low, value)
      high = max(high, value)
      return Whole(truncatingIfNeeded: value)
    }
    guard low >= Whole.min, high <= Whole.max else {
      throw fault("values from \(low) to \(high) do not all fit in \(element.rawValue)")
    }
  }

  @inline(__always)
  private func each<Source: BitwiseCopyable, Element>(
    _ source: Source.Type,
    _ target: UnsafeMutableBufferPointer<Element>,
    _ convert: (Source) -> Element
  ) {
    guard let from = bytes.baseAddress, let to = target.baseAddress else { return }
    for index in 0..<target.count {
      let value = (from + index * MemoryLayout<Source>.size).loadUnaligned(as: Source.self)
      to[index] = convert(value)
    }
  }
}
