public import Tensor

/// Which entries of one parameter an update covers.
///
/// Slices are described by the kept indices of each axis, arbitrary masks by a bit for each entry.
public enum Coverage: Hashable, Sendable {
  /// Every entry.
  case full
  /// The entries whose index is kept along every axis: one `AxisIndices` for each.
  case box([AxisIndices])
  /// The entries of a mask, in row-major order.
  case bits(BitSet)

  /// How many entries of a parameter of this shape are covered.
  public func count(in shape: Shape) -> Int {
    switch self {
    case .full: shape.count
    case .box(let axes): axes.reduce(1) { $0 * $1.count }
    case .bits(let bits): bits.setCount
    }
  }

  /// The shape of a tensor that holds the covered part: of the box, or the whole parameter's.
  public func partShape(of shape: Shape) -> Shape {
    if case .box(let axes) = self { Shape(axes.map(\.count)) } else { shape }
  }

  /// Whether a parameter of this shape can be covered so.
  public func fits(_ shape: Shape) -> Bool {
    switch self {
    case .full: true
    case .box(let axes): axes.map(\.extent) == shape.extents
    case .bits(let bits): bits.count == shape.count
    }
  }

  /// A box that is the whole parameter becomes `full`.
  public var simplified: Coverage {
    if case .box(let axes) = self, axes.allSatisfy(\.isAll) { .full } else { self }
  }

  /// A bit for each entry of a parameter of this shape.
  public func mask(of shape: Shape) -> BitSet {
    switch self {
    case .full: return BitSet(repeating: true, count: shape.count)
    case .bits(let bits): return bits
    case .box(let axes):
      var bits = BitSet(count: shape.count)
      BoxRuns(axes).forEachRun { global, _, count in
        for index in global..<global + count { bits.insert(index) }
      }
      return bits
    }
  }

  /// The entries that both cover, in a parameter of this shape.
  public func intersection(_ other: Coverage, in shape: Shape) -> Coverage {
    switch (self, other) {
    case (.full, let coverage), (let coverage, .full): coverage
    case (.box(let a), .box(let b)): .box(zip(a, b).map { $0.intersection($1) })
    case (.bits, _), (_, .bits): .bits(mask(of: shape).intersection(other.mask(of: shape)))
    }
  }

  /// The coverage of the whole parameter when `inner` covers some of the part that this box keeps.
  ///
  /// - Parameters:
  ///   - inner: what is covered of the part, whose shape is `partShape(of: shape)`.
  ///   - shape: the parameter's.
  /// - Returns: the coverage of the parameter.
  public func selecting(_ inner: Coverage, in shape: Shape) -> Coverage {
    guard case .box(let axes) = self else { return intersection(inner, in: shape) }
    switch inner {
    case .full: return self
    case .box(let pieces): return .box(zip(axes, pieces).map { $0.selecting($1) })
    case .bits(let bits):
      var result = BitSet(count: shape.count)
      BoxRuns(axes).forEachRun { global, local, count in
        for index in 0..<count where bits[local + index] { result.insert(global + index) }
      }
      return .bits(result)
    }
  }

  /// The covered part of a parameter: a box's slice; else the tensor, zeros outside a mask.
  public func part(of tensor: Tensor<Float>) -> Tensor<Float> {
    switch self {
    case .full: return tensor
    case .box(let axes):
      return tensor.withUnsafeElements { source in
        Tensor(uninitialized: partShape(of: tensor.shape)) { target in
          guard let from = source.baseAddress, let to = target.baseAddress else { return }
          BoxRuns(axes).forEachRun { (to + $1).update(from: from + $0, count: $2) }
        }
      }
    case .bits(let bits):
      var result = Tensor<Float>.zeros(tensor.shape)
      result.withUnsafeMutableElements { target in
        tensor.withUnsafeElements { source in bits.forEachSet { target[$0] = source[$0] } }
      }
      return result
    }
  }

  /// A parameter of this shape that holds a covered part, and zeros elsewhere.
  public func expanded(_ part: Tensor<Float>, to shape: Shape) -> Tensor<Float> {
    guard case .box(let axes) = self else { return part }
    var result = Tensor<Float>.zeros(shape)
    result.withUnsafeMutableElements { target in
      part.withUnsafeElements { source in
        guard let from = source.baseAddress, let to = target.baseAddress else { return }
        BoxRuns(axes).forEachRun { (to + $0).update(from: from + $1, count: $2) }
      }
    }
    return result
  }
}

/// The runs of neighbouring entries that a box is made of, the same for each index of its first axis.
struct BoxRuns {
  /// The kept indices of the first axis; a vector is one row.
  let rows: AxisIndices
  /// The distance between rows in the whole parameter and in the part.
  let (globalStride, localStride): (Int, Int)
  /// The runs in a row: where in the whole row, where in the part's row, how many.
  let runs: [(global: Int, local: Int, count: Int)]

  init(_ axes: [AxisIndices]) {
    let isVector = axes.count < 2
    rows = isVector ? AxisIndices(all: 1) : axes[0]
    let inner = isVector ? axes : Array(axes.dropFirst())
    globalStride = inner.reduce(1) { $0 * $1.extent }
    localStride = inner.reduce(1) { $0 * $1.count }
    // From the last axis outwards: whole axes only make runs longer.
    var runs = [(global: 0, local: 0, count: 1)]
    var (outerGlobal, outerLocal) = (1, 1)
    for axis in inner.reversed() {
      var next: [(global: Int, local: Int, count: Int)] = []
      let isWhole = runs.count == 1 && runs[0].count == outerGlobal
      var local = 0
      for run in axis.runs {
        if isWhole {
          next.append((run.lowerBound * outerGlobal, local * outerLocal, run.count * outerLocal))
          local += run.count
          continue
        }
        for index in run {
          for piece in runs {
            next.append(
              (index * outerGlobal + piece.global, local * outerLocal + piece.local, piece.count)
            )
          }
          local += 1
        }
      }
      runs = next
      outerGlobal *= axis.extent
      outerLocal *= axis.count
    }
    self.runs = runs
  }

  /// Calls `body` with each run: where in the parameter, where in the part, how many.
  func forEachRun(_ body: (_ global: Int, _ local: Int, _ count: Int) -> Void) {
    var local = 0
    for range in rows.runs {
      for row in range {
        for run in runs {
          body(row * globalStride + run.global, local * localStride + run.local, run.count)
        }
        local += 1
      }
    }
  }
}
