public import Tensor

/// What a detector learns from: samples that are normal.
///
///     let data = NormalData(inputs: images, labels: digits, validation: heldBack)
///
/// Labels tell the classes of normal samples apart; only training uses them, scoring never does.
/// They need not be contiguous. Validation samples are normal too and are never trained on: training
/// stops early by them, and scores that compare with normals take their statistics from them.
///
/// - Shapes: inputs [N × …], labels N, validation [M × …].
public struct NormalData: Sendable {
  /// The samples, along the leading axis.
  public var inputs: Tensor<Float>
  /// The class of each sample; nil for one class.
  public var labels: [Int32]?
  /// Samples that were held back.
  public var validation: Tensor<Float>?

  /// Normal samples, and what is known about them.
  public init(inputs: Tensor<Float>, labels: [Int32]? = nil, validation: Tensor<Float>? = nil) {
    self.inputs = inputs
    self.labels = labels
    self.validation = validation
  }

  /// Images of bytes, whose pixels become numbers in [0, 1].
  public init(
    images: Tensor<UInt8>,
    labels: [Int32]? = nil,
    validation: Tensor<UInt8>? = nil
  ) {
    self.init(
      inputs: images.unitPixels(),
      labels: labels,
      validation: validation?.unitPixels()
    )
  }

  /// Checks counts, shapes and numbers.
  ///
  /// - Throws: `NoveltyError.shape`, `.labelCount`, `.tooFewSamples` or `.notFinite`.
  func check(atLeast needed: Int = 2) throws(NoveltyError) {
    guard inputs.rank > 1, inputs.shape.extents.dropFirst().allSatisfy({ $0 > 0 }) else {
      throw .shape(operation: "fit", expected: "[N × …], nothing empty", found: inputs.shape)
    }
    let count = inputs.shape[0]
    guard count >= needed else {
      throw .tooFewSamples(operation: "fit", label: nil, found: count, needed: needed)
    }
    if let labels, labels.count != count {
      throw .labelCount(inputs: count, labels: labels.count)
    }
    try inputs.checkFinite("fit")
    guard let validation, validation.count > 0 else { return }
    try validation.check(sampleShape: inputs.sampleShape, "fit, validation")
  }
}

extension Tensor where Element == UInt8 {
  /// Bytes as numbers in [0, 1].
  public func unitPixels() -> Tensor<Float> {
    withUnsafeElements { source in
      Tensor<Float>(uninitialized: shape) { target in
        for index in source.indices { target[index] = Float(source[index]) / 255 }
      }
    }
  }
}

extension Tensor where Element == Float {
  /// The extents of one sample.
  var sampleShape: [Int] { Array(shape.extents.dropFirst()) }

  /// Each sample as one row; shares memory.
  func asRows() -> Tensor {
    let width = sampleShape.reduce(1, *)
    return reshaped(to: [shape[0], width])
  }

  /// Throws unless all samples have a shape and finite elements.
  func check(sampleShape expected: [Int], _ operation: String) throws(NoveltyError) {
    guard rank == expected.count + 1, sampleShape == expected else {
      let text = expected.map(String.init).joined(separator: "×")
      throw .shape(operation: operation, expected: "[N×\(text)]", found: shape)
    }
    try checkFinite(operation)
  }

  /// The rows whose elements are all finite.
  var finiteRows: [Int32] {
    guard rank > 0, shape[0] > 0, count > 0 else { return [] }
    let width = count / shape[0]
    return withUnsafeElements { elements in
      (0..<Int32(shape[0])).filter { row in
        let range = Int(row) * width..<(Int(row) + 1) * width
        return isAllFinite(UnsafeBufferPointer(rebasing: elements[range]))
      }
    }
  }

  /// Throws unless all elements are what a sigmoid gives back.
  func checkUnitRange() throws(NoveltyError) {
    let (minimum, maximum) = extrema()
    guard minimum >= -0.001, maximum <= 1.001 else {
      throw .outOfRange(minimum: minimum, maximum: maximum)
    }
  }

  /// Throws with the first row that holds something that is not finite.
  func checkFinite(_ operation: String) throws(NoveltyError) {
    guard rank > 0, shape[0] > 0, count > 0 else { return }
    let width = count / shape[0]
    let row = withUnsafeElements { elements -> Int? in
      guard !isAllFinite(elements) else { return nil }
      return elements.firstIndex { !$0.isFinite }.map { $0 / width }
    }
    if let row { throw .notFinite(operation: operation, row: row) }
  }
}

/// Whether no element is NaN or infinite: x · 0 is 0 for all others.
private func isAllFinite(_ elements: UnsafeBufferPointer<Float>) -> Bool {
  guard let start = elements.baseAddress else { return true }
  var lanes = SIMD16<Float>()
  let source = UnsafeRawPointer(start)
  let vectors = elements.count / 16
  for index in 0..<vectors {
    lanes += source.loadUnaligned(fromByteOffset: index * 64, as: SIMD16<Float>.self) * 0
  }
  var sum = lanes.sum()
  for index in vectors * 16..<elements.count { sum += elements[index] * 0 }
  return sum == 0
}
