import Tensor

/// An update as it is sent: all numbers of a layout or some of them, as floats or as codes.
public struct PackedUpdate: Hashable, Sendable {
  /// How the numbers are held.
  public enum Values: Hashable, Sendable {
    /// Single precision.
    case single([Float])
    /// Half precision.
    case half([Float16])
    /// Codes with scales.
    case codes(QuantizedRows)

    /// How many numbers there are.
    public var count: Int {
      switch self {
      case .single(let values): values.count
      case .half(let values): values.count
      case .codes(let rows): rows.codes.count
      }
    }

    /// The numbers as floats.
    var floats: [Float] {
      switch self {
      case .single(let values): values
      case .half(let values): values.map(Float.init)
      case .codes(let rows): rows.dequantized()
      }
    }
  }

  /// The places of the numbers in the layout, ascending; nil for all of them.
  public let indices: [Int32]?
  /// The numbers.
  public let values: Values

  init(indices: [Int32]?, values: Values) {
    (self.indices, self.values) = (indices, values)
  }

  /// The numbers of a layout under a plan.
  ///
  /// - Parameters:
  ///   - numbers: in the order of the layout.
  ///   - layout: says which numbers share a scale: rows; of sparse updates and of masked tensors
  ///     those of a tensor.
  ///   - plan: the share that is sent and the bits of a number.
  ///   - uniform: u for rounding by chance, or nil to round codes to nearest.
  public init(
    _ numbers: [Float],
    layout: UpdateLayout,
    plan: UpdatePlan,
    uniform: () -> Float? = { nil }
  ) {
    expect(
      numbers.count == layout.count,
      "packed update: \(numbers.count) numbers for a layout of \(layout.count)"
    )
    var (kept, indices): ([Float], [Int32]?) = (numbers, nil)
    if let share = plan.topShare {
      let sparse = SparseValues(largest: share.ceiling(of: numbers.count), of: numbers)
      (kept, indices) = (sparse.values, sparse.indices)
    }
    self.indices = indices
    switch plan.bits {
    case 32: values = .single(kept)
    case 16: values = .half(kept.map(Float16.init(clamping:)))
    default:
      let ends = layout.rowEnds(of: indices)
      values = .codes(
        kept.withUnsafeBufferPointer { kept in
          QuantizedRows(kept, bits: plan.bits, ends: ends) { _ in uniform() }
        }
      )
    }
  }

  /// All numbers of the layout, zeros where none was sent.
  public func numbers(count: Int) -> [Float] {
    let floats = values.floats
    guard let indices else { return floats }
    var numbers = [Float](repeating: 0, count: count)
    for (index, value) in zip(indices, floats) { numbers[Int(index)] = value }
    return numbers
  }

  /// The update's tensors.
  public func unpacked(_ layout: UpdateLayout) -> ParameterSet {
    layout.unflattened(numbers(count: layout.count))
  }
}

extension UpdateLayout {
  /// Where rows end that share a scale, in the numbers that are sent.
  func rowEnds(of indices: [Int32]?) -> [Int] {
    guard let indices else { return items.flatMap { item in item.ends.map { item.start + $0 } } }
    var (ends, next): ([Int], Int) = ([], 0)
    for item in items {
      while next < indices.count, Int(indices[next]) < item.start + item.count { next += 1 }
      ends.append(next)
    }
    return ends
  }
}

extension Float16 {
  /// The nearest number of half precision that is finite.
  fileprivate init(clamping value: Float) {
    let limit = Float(Float16.greatestFiniteMagnitude)
    self.init(max(-limit, min(limit, value)))
  }
}
