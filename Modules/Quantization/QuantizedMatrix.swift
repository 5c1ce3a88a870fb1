public import Tensor

/// A weight matrix as packed integer codes with step sizes and zero points.
///
///     value[r, c] = s[g] · (code[r, c] − z[g]),  g the group of (r, c)
///
/// Codes lie as one little-endian bit stream per row: code i in bits [i·bits, (i+1)·bits), rows
/// padded to 32-bit words.
///
/// - Shapes: [N × K]; step sizes and zero points [N × ⌈K/group⌉] for groups of inputs,
///   [⌈N/group⌉ × K] for groups of outputs, or [1 × 1] per tensor.
public struct QuantizedMatrix: Sendable {
  /// The scheme that the codes were made with.
  public let scheme: WeightScheme
  /// s.
  public let stepSizes: Tensor<Float>
  /// z as integers; nil for symmetric grids, whose zero point is 2^(bits−1).
  public let zeroPoints: Tensor<UInt8>?
  /// Which input each stored column takes, for groups of inputs that are no neighbours; nil for the
  /// natural order.
  public let inputOrder: Tensor<Int32>?
  let packed: PackedRows

  init(
    scheme: WeightScheme,
    columnCount: Int,
    words: Tensor<Int32>,
    stepSizes: Tensor<Float>,
    zeroPoints: Tensor<UInt8>?,
    inputOrder: Tensor<Int32>? = nil
  ) {
    self.scheme = scheme
    self.stepSizes = stepSizes
    self.zeroPoints = zeroPoints
    self.inputOrder = inputOrder
    let layout = scheme.granularity.layout(for: [words.shape[0], columnCount])
    var (scales, zeros): (Tensor<Float>, Tensor<Float>?) = (
      stepSizes,
      zeroPoints.map { points in
        Tensor(points.elements.map(Float.init), shape: points.shape)
      }
    )
    if case .outputGroups = scheme.granularity {
      // The kernels see bare codes; a row's steps change with the column.
      (scales, zeros) = (Tensor([1], shape: [1, 1]), Tensor([0], shape: [1, 1]))
    }
    packed = PackedRows(
      bits: scheme.grid.bits,
      columnCount: columnCount,
      groupSize: layout.columnsPerGroup,
      words: words,
      scales: scales,
      zeros: zeros
    )
  }

  /// A matrix of given codes and grids.
  ///
  /// - Parameters:
  ///   - codes: [N × K], below 2^bits, inputs in their stored order.
  ///   - stepSizes: s, as the scheme's granularity says.
  ///   - zeroPoints: z, as the step sizes; nil for symmetric grids.
  ///   - scheme: what the codes mean.
  ///   - inputOrder: which input each column takes; nil for the natural order.
  public init(
    codes: Tensor<UInt8>,
    stepSizes: Tensor<Float>,
    zeroPoints: Tensor<UInt8>?,
    scheme: WeightScheme,
    inputOrder: Tensor<Int32>? = nil
  ) {
    expect(codes.rank == 2, "quantized matrix: codes \(codes.shape), a matrix is needed")
    let shape = scheme.granularity.scaleShape(for: codes.shape)
    expect(
      stepSizes.shape == shape && (zeroPoints?.shape ?? shape) == shape,
      "quantized matrix: step sizes \(stepSizes.shape), zero points \(zeroPoints?.shape ?? []), "
        + "\(shape) is needed"
    )
    expect(
      (zeroPoints == nil) == scheme.grid.isSymmetric,
      "quantized matrix: zero points belong to asymmetric grids alone"
    )
    let top = UInt8(scheme.grid.maximumCode)
    expect(
      codes.withUnsafeElements { $0.allSatisfy { $0 <= top } },
      "quantized matrix: a code above \(top)"
    )
    self.init(
      scheme: scheme,
      columnCount: codes.shape[1],
      words: PackedRows.packing(codes, bits: scheme.grid.bits),
      stepSizes: stepSizes,
      zeroPoints: zeroPoints,
      inputOrder: inputOrder
    )
  }

  private init(_ other: QuantizedMatrix, stepSizes: Tensor<Float>) {
    scheme = other.scheme
    self.stepSizes = stepSizes
    zeroPoints = other.zeroPoints
    inputOrder = other.inputOrder
    if case .outputGroups = scheme.granularity {
      packed = other.packed
    } else {
      packed = PackedRows(
        bits: other.packed.bits,
        columnCount: other.packed.columnCount,
        groupSize: other.packed.groupSize,
        words: other.packed.words,
        scales: stepSizes,
        zeros: other.packed.zeros
      )
    }
  }

  /// The same codes and zero points under other step sizes, which may have any sign; no code is
  /// copied.
  public func replacing(stepSizes: Tensor<Float>) -> QuantizedMatrix {
    expect(
      stepSizes.shape == self.stepSizes.shape,
      "quantized matrix: other step sizes, \(self.stepSizes.shape) · \(stepSizes.shape)"
    )
    return QuantizedMatrix(self, stepSizes: stepSizes)
  }

  /// [N × K].
  public var shape: Shape { [packed.rowCount, packed.columnCount] }
  /// The codes as packed words [N × ⌈K·bits/32⌉], in stored order.
  public var words: Tensor<Int32> { packed.words }

  /// The codes [N × K], one byte each.
  public func codes() -> Tensor<UInt8> {
    guard let placesOfInputs else { return packed.codes() }
    return packed.codes().taking(placesOfInputs, axis: 1)
  }

  /// The bytes that codes, step sizes and zero points take in a file.
  public var byteCount: Int {
    words.count * 4 + stepSizes.count * scheme.scaleType.byteCount + (zeroPoints?.count ?? 0)
      + (inputOrder?.count ?? 0) * 4
  }

  /// The weights that the codes stand for [N × K].
  public func dequantized() -> Tensor<Float> { rows((0..<Int32(shape[0])).map { $0 }) }

  /// x Wᵀ + bias straight from the codes.
  ///
  /// - Shapes: x [… × K], bias [N] or nil, result [… × N].
  public func product(with input: Tensor<Float>, bias: Tensor<Float>? = nil) -> Tensor<Float> {
    var input = input
    if let inputOrder { input = input.taking(inputOrder, axis: -1) }
    if case .outputGroups(let size) = scheme.granularity {
      return productByBlocks(of: size, input, bias)
    }
    return packed.product(with: input, bias: bias)
  }

  /// gradient · W straight from the codes: what flows back through `product(with:bias:)`.
  ///
  /// - Shapes: gradient [… × N], result [… × K].
  public func inputGradient(_ gradient: Tensor<Float>) -> Tensor<Float> {
    var result: Tensor<Float>
    if case .outputGroups = scheme.granularity {
      result = .zeros(gradient.shape.replacingLast(with: shape[1]))
      forEachBlock(of: gradient) { codes, steps, _ in result += codes * steps }
    } else {
      result = packed.inputGradient(gradient)
    }
    guard let placesOfInputs else { return result }
    return result.taking(placesOfInputs, axis: -1)
  }

  /// The rows `indices` as floats [indices.count × K].
  public func rows(_ indices: [Int32]) -> Tensor<Float> {
    var rows = packed.rows(indices)
    if case .outputGroups(let size) = scheme.granularity { scale(&rows, indices, size) }
    guard let placesOfInputs else { return rows }
    return rows.taking(placesOfInputs, axis: 1)
  }

  /// Where each input's column is stored.
  var placesOfInputs: Tensor<Int32>? {
    guard let inputOrder else { return nil }
    var places = [Int32](repeating: 0, count: inputOrder.count)
    for (place, input) in inputOrder.elements.enumerated() { places[Int(input)] = Int32(place) }
    return Tensor(places)
  }

  /// The step size and zero point of every element [N × K], inputs in their natural order.
  public func expandedGrids() -> (stepSizes: Tensor<Float>, zeroPoints: Tensor<Float>) {
    let layout = scheme.granularity.layout(for: shape)
    let middle = Float(scheme.grid.middleCode)
    let zeros = zeroPoints.map { Tensor($0.elements.map(Float.init), shape: $0.shape) }
    let expanded = (
      layout.expanded(stepSizes),
      zeros.map { layout.expanded($0) } ?? Tensor<Float>(repeating: middle, shape: shape)
    )
    guard let placesOfInputs else { return expanded }
    return (
      expanded.0.taking(placesOfInputs, axis: 1), expanded.1.taking(placesOfInputs, axis: 1)
    )
  }
}

// MARK: - Groups of outputs

extension QuantizedMatrix {
  /// y = C x̃ − β for each block of rows that share steps: x̃ = s ⊙ x, β = Σ z ⊙ x̃.
  ///
  /// The input is scaled once per block; no step size is left in the inner product.
  private func productByBlocks(
    of size: Int,
    _ input: Tensor<Float>,
    _ bias: Tensor<Float>?
  ) -> Tensor<Float> {
    expect(
      input.rank > 0 && input.shape[-1] == shape[1],
      "linear: inner extents differ, \(input.shape) · \(shape)ᵀ"
    )
    var parts: [Tensor<Float>] = []
    for start in stride(from: 0, to: shape[0], by: size) {
      let range = start..<min(start + size, shape[0])
      let block = PackedRows(
        bits: packed.bits,
        columnCount: packed.columnCount,
        groupSize: packed.columnCount,
        words: packed.words.sliced(range, axis: 0),
        scales: packed.scales,
        zeros: packed.zeros
      )
      let (steps, zeros) = grids(ofBlock: start / size)
      let scaled = input * steps
      let offset = (scaled * zeros).sum(axes: [-1], keepingDimensions: true)
      parts.append(block.product(with: scaled, bias: nil) - offset)
    }
    let result = Tensor.concatenating(parts, axis: -1)
    guard let bias else { return result }
    return result + bias
  }

  /// For each block of rows that share steps: gradient_block · (C − z) [… × K], the steps [K], and
  /// the block's number.
  func forEachBlock(
    of gradient: Tensor<Float>,
    _ body: (_ codes: Tensor<Float>, _ steps: Tensor<Float>, _ index: Int) -> Void
  ) {
    guard case .outputGroups(let size) = scheme.granularity else { return }
    expect(
      gradient.rank > 0 && gradient.shape[-1] == shape[0],
      "linear, backward: inner extents differ, \(gradient.shape) · \(shape)"
    )
    for (index, start) in stride(from: 0, to: shape[0], by: size).enumerated() {
      let range = start..<min(start + size, shape[0])
      let block = PackedRows(
        bits: packed.bits,
        columnCount: packed.columnCount,
        groupSize: packed.columnCount,
        words: packed.words.sliced(range, axis: 0),
        scales: packed.scales,
        zeros: packed.zeros
      )
      let part = gradient.sliced(range, axis: -1)
      let (steps, zeros) = grids(ofBlock: index)
      let sums = part.sum(axes: [-1], keepingDimensions: true)
      body(block.inputGradient(part) - sums * zeros, steps, index)
    }
  }

  /// The steps and zero points of one block of rows, [K] each.
  private func grids(ofBlock index: Int) -> (steps: Tensor<Float>, zeros: Tensor<Float>) {
    let columns = shape[1]
    let steps = stepSizes.sliced(index..<index + 1, axis: 0).reshaped(to: [columns])
    guard let zeroPoints else {
      return (steps, Tensor(repeating: Float(scheme.grid.middleCode), shape: [columns]))
    }
    let zeros = zeroPoints.sliced(index..<index + 1, axis: 0).elements
    return (steps, Tensor(zeros.map(Float.init)))
  }

  /// Turns rows of codes into values.
  private func scale(_ rows: inout Tensor<Float>, _ indices: [Int32], _ size: Int) {
    let columns = shape[1]
    let middle = Float(scheme.grid.middleCode)
    rows.withUnsafeMutableElements { rows in
      stepSizes.withUnsafeElements { steps in
        for (position, index) in indices.enumerated() {
          let (start, group) = (position * columns, Int(index) / size * columns)
          if let zeroPoints {
            zeroPoints.withUnsafeElements { zeros in
              for column in 0..<columns {
                let code = rows[start + column] - Float(zeros[group + column])
                rows[start + column] = steps[group + column] * code
              }
            }
          } else {
            for column in 0..<columns {
              rows[start + column] = steps[group + column] * (rows[start + column] - middle)
            }
          }
        }
      }
    }
  }
}
