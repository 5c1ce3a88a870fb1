/// What a subscript takes of one axis: an index, a range, or an `AxisSelection`.
public protocol TensorIndex {
  /// The elements of the axis.
  var selection: AxisSelection { get }
}

/// The elements that a subscript takes of one axis.
public struct AxisSelection: TensorIndex, Sendable, Hashable {
  enum Kind: Hashable {
    case index(Int)
    /// Bounds below 0 count from the end; no upper bound means the end.
    case range(from: Int, to: Int?, step: Int)
    case reversed
    case newAxis
    case rest
  }

  let kind: Kind

  init(_ kind: Kind) { self.kind = kind }

  /// The selection itself.
  public var selection: AxisSelection { self }
}

extension TensorIndex where Self == AxisSelection {
  /// The whole axis.
  public static var all: AxisSelection { AxisSelection(.range(from: 0, to: nil, step: 1)) }

  /// The whole axis from its end to its beginning.
  public static var reversed: AxisSelection { AxisSelection(.reversed) }

  /// A new axis of extent 1, which takes no axis of the tensor.
  public static var newAxis: AxisSelection { AxisSelection(.newAxis) }

  /// All axes that the other indices leave; at most once.
  public static var rest: AxisSelection { AxisSelection(.rest) }

  /// Every `step`-th element; bounds below 0 count from the end, which is the default of `upper`.
  public static func every(_ step: Int, from lower: Int = 0, to upper: Int? = nil) -> AxisSelection
  {
    expect(step > 0, "subscript: a step of \(step)")
    return AxisSelection(.range(from: lower, to: upper, step: step))
  }
}

extension Int: TensorIndex {
  /// One element, which drops the axis; below 0 it counts from the end.
  public var selection: AxisSelection { AxisSelection(.index(self)) }
}

extension Range: TensorIndex where Bound == Int {
  /// The elements of the range.
  public var selection: AxisSelection {
    AxisSelection(.range(from: lowerBound, to: upperBound, step: 1))
  }
}

extension ClosedRange: TensorIndex where Bound == Int {
  /// The elements of the range.
  public var selection: AxisSelection {
    AxisSelection(.range(from: lowerBound, to: upperBound + 1, step: 1))
  }
}

extension PartialRangeFrom: TensorIndex where Bound == Int {
  /// The elements from a place on, which counts from the end below 0.
  public var selection: AxisSelection { AxisSelection(.range(from: lowerBound, to: nil, step: 1)) }
}

extension PartialRangeUpTo: TensorIndex where Bound == Int {
  /// The elements before a place, which counts from the end below 0.
  public var selection: AxisSelection { AxisSelection(.range(from: 0, to: upperBound, step: 1)) }
}

extension PartialRangeThrough: TensorIndex where Bound == Int {
  /// The elements up to and with a place, which counts from the end below 0.
  public var selection: AxisSelection {
    AxisSelection(.range(from: 0, to: upperBound == -1 ? nil : upperBound + 1, step: 1))
  }
}

/// Where the elements that a subscript selects lie in a dense tensor.
package struct SelectedPlaces {
  /// The shape of the result.
  package var shape: Shape
  /// The distance between neighbours along each axis of the result.
  package var strides = Shape.Slots.zero
  /// The first element.
  package var first = 0

  /// The places of `indices` in a tensor of `shape`; stops with both when they do not fit.
  package init(_ indices: [any TensorIndex], in shape: Shape) {
    let kinds = indices.map(\.selection.kind)
    let named = kinds.count { $0 != .newAxis && $0 != .rest }
    expect(
      named <= shape.rank && kinds.count { $0 == .rest } <= 1,
      "subscript: \(named) indices for \(shape)"
    )
    let left = shape.rank - named
    let whole = AxisSelection.Kind.range(from: 0, to: nil, step: 1)
    var expanded = kinds.flatMap { kind in
      kind == .rest ? Array(repeating: whole, count: left) : [kind]
    }
    if !kinds.contains(.rest) { expanded += Array(repeating: whole, count: left) }
    var (extents, axis) = ([Int](), 0)
    let dense = shape.strides
    func append(_ extent: Int, _ stride: Int) {
      expect(extents.count < Shape.maximumRank, "subscript: too many axes, from \(shape)")
      strides[extents.count] = stride
      extents.append(extent)
    }
    self.shape = shape
    for kind in expanded {
      switch kind {
      case .newAxis, .rest:
        append(1, 0)
        continue
      case .index(let index):
        let extent = shape[axis]
        let position = index < 0 ? index + extent : index
        expect(
          position >= 0 && position < extent,
          "subscript: index \(index) along axis \(axis) of \(shape)"
        )
        first += position * dense[axis]
      case .range(let from, let to, let step):
        let extent = shape[axis]
        let lower = from < 0 ? from + extent : from
        let upper = to.map { $0 < 0 ? $0 + extent : $0 } ?? extent
        expect(
          lower >= 0 && lower <= upper && upper <= extent,
          "subscript: range \(from)..<\(to.map { "\($0)" } ?? "") along axis \(axis) of \(shape)"
        )
        append((upper - lower + step - 1) / step, step * dense[axis])
        first += lower * dense[axis]
      case .reversed:
        append(shape[axis], -dense[axis])
        first += max(shape[axis] - 1, 0) * dense[axis]
      }
      axis += 1
    }
    self.shape = Shape(extents)
  }

  /// Whether the places are one dense run, which a tensor can share.
  var isDense: Bool {
    let dense = shape.strides
    return (0..<shape.rank).allSatisfy { shape[$0] == 1 || strides[$0] == dense[$0] }
  }
}
