public import Tensor

/// A weight matrix as sums of scaled sign matrices, with an offset for each group if it has any.
///
///     value[r, c] = offset[r, g] + Σ_i α[r, g, i] · b_i[r, c],   g = c / groupSize,   b_i = ±1
///
/// - Shapes: [N × K]; words [N × q × ⌈K/32⌉], bit c mod 32 of word c/32 set where b_i[r, c] = +1,
///   bits past K clear; scales [N × G × q], G = ⌈K/groupSize⌉; offsets [N × G].
public struct BinaryCodedMatrix: Sendable {
  /// How scales and offsets are stored in files.
  public let scaleType: ScaleType
  let packed: BinaryRows

  /// A matrix of given signs and scales.
  ///
  /// - Parameters:
  ///   - columnCount: K.
  ///   - groupSize: the inputs that share scales; nil for whole rows.
  ///   - words: the signs [N × q × ⌈K/32⌉], 1 ≤ q ≤ 8.
  ///   - scales: α [N × G × q].
  ///   - offsets: [N × G]; nil where all are 0.
  ///   - scaleType: how scales and offsets are stored in files.
  public init(
    columnCount: Int,
    groupSize: Int? = nil,
    words: Tensor<Int32>,
    scales: Tensor<Float>,
    offsets: Tensor<Float>? = nil,
    scaleType: ScaleType = .float32
  ) {
    expect(words.rank == 3, "binary codes: words \(words.shape), [N×q×⌈K/32⌉] is needed")
    let (rows, planes) = (words.shape[0], words.shape[1])
    expect(
      BinaryCoding.supportedPlanes.contains(planes) && columnCount >= 0
        && words.shape[2] == Self.wordCount(columnCount),
      "binary codes: words \(words.shape) do not hold 1 to 8 planes of \(columnCount) signs"
    )
    expect(groupSize ?? 1 > 0, "binary codes: a group of \(groupSize ?? 0) weights is empty")
    let layout = Self.layout(for: [rows, columnCount], groupSize: groupSize)
    let groups = layout.shape
    expect(
      scales.shape == [rows, layout.columnGroups, planes] && offsets?.shape ?? groups == groups,
      "binary codes: scales \(scales.shape), offsets \(offsets?.shape ?? []), "
        + "\([rows, layout.columnGroups, planes] as Shape) and \(groups) are needed"
    )
    self.scaleType = scaleType
    packed = BinaryRows(
      planeCount: planes,
      columnCount: columnCount,
      groupSize: layout.columnsPerGroup,
      words: words,
      scales: scales,
      offsets: offsets
    )
  }

  /// [N × K].
  public var shape: Shape { [packed.rowCount, packed.columnCount] }
  /// q.
  public var planeCount: Int { packed.planeCount }
  /// The inputs that share scales; K where a row is one group.
  public var groupSize: Int { packed.groupSize }
  /// The signs as bits [N × q × ⌈K/32⌉].
  public var words: Tensor<Int32> { packed.words }
  /// α [N × G × q].
  public var scales: Tensor<Float> { packed.scales }
  /// What is added to all values of a group [N × G]; nil where that is nothing.
  public var offsets: Tensor<Float>? { packed.offsets }

  /// The bytes that signs, scales and offsets take in a file.
  public var byteCount: Int {
    words.count * 4 + (scales.count + (offsets?.count ?? 0)) * scaleType.byteCount
  }

  /// The weights that the codes stand for [N × K].
  public func dequantized() -> Tensor<Float> { packed.rows((0..<Int32(shape[0])).map { $0 }) }

  /// The rows `indices` as floats [indices.count × K].
  public func rows(_ indices: [Int32]) -> Tensor<Float> { packed.rows(indices) }

  /// x Wᵀ + bias straight from the codes.
  ///
  /// - Shapes: x [… × K], bias [N] or nil, result [… × N].
  public func product(with input: Tensor<Float>, bias: Tensor<Float>? = nil) -> Tensor<Float> {
    packed.product(with: input, bias: bias)
  }

  /// gradient · W straight from the codes: what flows back through `product(with:bias:)`.
  ///
  /// - Shapes: gradient [… × N], result [… × K].
  public func inputGradient(_ gradient: Tensor<Float>) -> Tensor<Float> {
    packed.inputGradient(gradient)
  }

  /// One plane with scales of 1: its rows are signs.
  func unitPlane(_ plane: Int) -> BinaryRows {
    BinaryRows(
      planeCount: 1,
      columnCount: packed.columnCount,
      groupSize: max(packed.columnCount, 1),
      words: words.sliced(plane..<plane + 1, axis: 1),
      scales: .ones([shape[0], 1, 1]),
      offsets: nil
    )
  }

  /// The same signs and offsets with other scales [N × G × q].
  public func replacing(scales: Tensor<Float>) -> BinaryCodedMatrix {
    BinaryCodedMatrix(
      columnCount: shape[1],
      groupSize: groupSize,
      words: words,
      scales: scales,
      offsets: offsets,
      scaleType: scaleType
    )
  }

  /// The same matrix with scales and offsets as files of that type hold them.
  ///
  /// - Parameters:
  ///   - type: the type.
  ///   - layer: the layer's name, for errors.
  /// - Returns: the matrix that a file would give back.
  /// - Throws: `QuantizationError.invalidScheme` if one is too large for half precision.
  public func converted(
    to type: ScaleType,
    layer: String = "weight"
  ) throws(QuantizationError) -> BinaryCodedMatrix {
    func stored(_ values: Tensor<Float>) throws(QuantizationError) -> Tensor<Float> {
      guard type == .float16 else { return values }
      let halves = Tensor<Float>(converting: Tensor<Float16>(converting: values))
      guard halves.allFinite else {
        throw .invalidScheme(
          "a scale of the binary codes of '\(layer)' does not fit half precision; store float32"
        )
      }
      return halves
    }
    var offsets = offsets
    if let values = offsets { offsets = try stored(values) }
    return BinaryCodedMatrix(
      columnCount: shape[1],
      groupSize: groupSize,
      words: words,
      scales: try stored(scales),
      offsets: offsets,
      scaleType: type
    )
  }

  /// The mean of (ŵ − w)², summed in Double; 0 for an empty matrix.
  ///
  /// - Parameter weight: w [N × K].
  /// - Returns: the error of the stored scales.
  public func meanSquaredError(from weight: Tensor<Float>) -> Double {
    expect(weight.shape == shape, "binary codes: weight \(weight.shape), codes \(shape)")
    guard weight.count > 0 else { return 0 }
    let columns = shape[1]
    var sum = 0.0
    weight.withUnsafeElements { weights in
      // A few rows at a time: a dense copy of the whole would double the memory.
      for start in stride(from: 0, to: shape[0], by: 64) {
        let range = start..<min(start + 64, shape[0])
        packed.rows(range.map { Int32($0) }).withUnsafeElements { values in
          for place in values.indices {
            let difference = Double(values[place]) - Double(weights[start * columns + place])
            sum += difference * difference
          }
        }
      }
    }
    return sum / Double(weight.count)
  }
}

// MARK: - Signs

extension BinaryCodedMatrix {
  /// The 32-bit words of a plane of `count` signs.
  static func wordCount(_ count: Int) -> Int { (count + 31) / 32 }

  /// Which weights of a matrix share scales; a row that is one group has its own length.
  static func layout(for shape: Shape, groupSize: Int?) -> GroupLayout {
    GroupLayout(
      rowCount: shape[0],
      columnCount: shape[1],
      rowsPerGroup: 1,
      columnsPerGroup: min(groupSize ?? shape[1], shape[1])
    )
  }

  /// b_i [N × K] as −1 and +1; planes count from 0.
  public func signs(plane: Int) -> Tensor<Float> {
    expect(0..<planeCount ~= plane, "binary codes: plane \(plane) of \(planeCount)")
    let (columns, width) = (shape[1], words.shape[2])
    return words.withUnsafeElements { words in
      Tensor(uninitialized: shape) { target in
        for row in 0..<shape[0] {
          let (from, to) = ((row * planeCount + plane) * width, row * columns)
          for column in 0..<columns {
            let isSet = words[from + column >> 5] >> Int32(column & 31) & 1 == 1
            target[to + column] = isSet ? 1 : -1
          }
        }
      }
    }
  }

  /// The signs of each weight as one number [N × K]: bit i is set where b_i = +1.
  public func codes() -> Tensor<UInt8> {
    let (columns, width, planes) = (shape[1], words.shape[2], planeCount)
    return words.withUnsafeElements { words in
      Tensor(uninitialized: shape) { target in
        for row in 0..<shape[0] {
          for column in 0..<columns {
            let from = row * planes * width + column >> 5
            var code: Int32 = 0
            for plane in 0..<planes {
              code |= (words[from + plane * width] >> Int32(column & 31) & 1) << Int32(plane)
            }
            target[row * columns + column] = UInt8(truncatingIfNeeded: code)
          }
        }
      }
    }
  }

  /// Packs codes [N × K], bit i for plane i, into words [N × q × ⌈K/32⌉].
  static func words(of codes: Tensor<UInt8>, planeCount: Int) -> Tensor<Int32> {
    let (rows, columns) = (codes.shape[0], codes.shape[1])
    let width = wordCount(columns)
    var words = Tensor<Int32>.zeros([rows, planeCount, width])
    codes.withUnsafeElements { codes in
      words.withUnsafeMutableElements { words in
        WorkPool.forEach(parts: rows) { row in
          for column in 0..<columns {
            let to = row * planeCount * width + column >> 5
            let code = Int32(codes[row * columns + column])
            for plane in 0..<planeCount {
              words[to + plane * width] |= (code >> Int32(plane) & 1) << Int32(column & 31)
            }
          }
        }
      }
    }
    return words
  }
}

extension Tensor where Element == Float {
  /// Whether no element is NaN or infinite.
  var allFinite: Bool { withUnsafeElements { $0.allSatisfy { $0.isFinite } } }
}
