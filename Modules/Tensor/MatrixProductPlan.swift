import CKernels

/// The products of matrices that one call stands for: extents, batches, and where each one lies.
///
/// A vector on the left is a row, one on the right a column, and the axis it lacks is left out of
/// the result. Leading axes are batches, which broadcast. A matrix on the right that all batches
/// share makes one tall product of them.
struct MatrixProductPlan {
  /// Which matrix of an operand goes into product i.
  enum Index {
    /// Matrix i: the operand has all the batches.
    case each
    /// The only one.
    case only
    /// Some broadcast axes: looked up.
    case table([Int])

    subscript(product: Int) -> Int {
      switch self {
      case .each: product
      case .only: 0
      case .table(let indices): indices[product]
      }
    }
  }

  /// Each product is [m × k] · [k × n]; the operands' own extents are exchanged where transposed.
  private(set) var m, n, k: Int
  private(set) var transposesLeft: Bool
  private(set) var transposesRight: Bool
  private(set) var count = 1
  private(set) var left = Index.only
  private(set) var right = Index.only
  let result: Shape

  /// The row strides of one matrix of either operand.
  var leftStride: Int { transposesLeft ? m : k }
  var rightStride: Int { transposesRight ? k : n }

  init(_ operation: String, _ left: Shape, _ right: Shape, _ transposing: (Bool, Bool)) {
    expect(
      left.rank > 0 && right.rank > 0,
      "\(operation): a scalar has no axis to sum over, \(left) · \(right)"
    )
    // A vector is a row or a column already.
    transposesLeft = transposing.0 && left.rank > 1
    transposesRight = transposing.1 && right.rank > 1
    let (rows, inner) = left.rank == 1 ? (1, left[0]) : (left[-2], left[-1])
    (m, k) = transposesLeft ? (inner, rows) : (rows, inner)
    let (height, width) = right.rank == 1 ? (right[0], 1) : (right[-2], right[-1])
    n = transposesRight ? height : width
    expect(
      k == (transposesRight ? width : height),
      "\(operation): inner extents differ, \(Self.texts(left, right, transposing))"
    )
    if left.rank == 2 && right.rank == 2 {
      result = [m, n]
      return
    }
    let (leftBatch, rightBatch) = (left.extents.dropLast(2), right.extents.dropLast(2))
    let broadcast = Self.broadcast(Array(leftBatch), Array(rightBatch))
    expect(
      broadcast != nil,
      "\(operation): batches do not broadcast, \(Self.texts(left, right, transposing))"
    )
    let batch = broadcast ?? []
    result = Shape(batch + (left.rank > 1 ? [m] : []) + (right.rank > 1 ? [n] : []))
    count = batch.reduce(1, *)
    self.left = Self.index(Array(leftBatch), in: batch)
    self.right = Self.index(Array(rightBatch), in: batch)
    foldBatches()
  }

  private static func texts(
    _ left: Shape,
    _ right: Shape,
    _ transposing: (Bool, Bool)
  ) -> String {
    "\(left)\(transposing.0 ? "ᵀ" : "") · \(right)\(transposing.1 ? "ᵀ" : "")"
  }

  /// Batches with a matrix each on the left and one for all on the right are rows of one product.
  private mutating func foldBatches() {
    guard case .each = left, case .only = right, !transposesLeft else { return }
    m *= count
    count = 1
    left = .only
  }

  private static func broadcast(_ left: [Int], _ right: [Int]) -> [Int]? {
    let rank = max(left.count, right.count)
    var extents = [Int](repeating: 1, count: rank)
    for axis in 1..<(rank + 1) {
      let a = axis <= left.count ? left[left.count - axis] : 1
      let b = axis <= right.count ? right[right.count - axis] : 1
      guard a == b || a == 1 || b == 1 else { return nil }
      extents[rank - axis] = a == 1 ? b : a
    }
    return extents
  }

  private static func index(_ own: [Int], in batch: [Int]) -> Index {
    let count = own.reduce(1, *)
    if count == batch.reduce(1, *) { return .each }
    if count == 1 { return .only }
    var indices = [0]
    for axis in batch.indices {
      let place = axis - (batch.count - own.count)
      let extent = place < 0 ? 1 : own[place]
      indices = indices.flatMap { index in
        (0..<batch[axis]).map { index * extent + (extent == 1 ? 0 : $0) }
      }
    }
    return .table(indices)
  }
}

/// Multiply-adds that are worth a part of a parallel job: about 10 µs.
private let productGrain = 1_000_000

extension MatrixProductPlan {
  /// Calls `body` with the offsets, in elements, of the left, right and result matrix of each
  /// product: in parallel, unless the products are few and large enough to be split themselves.
  func forEachProduct(_ body: (Int, Int, Int) -> Void) {
    let work = max(m * n * k, 1)
    let isSplitInside = count < 8 && work > 4 * productGrain
    let grain = isSplitInside ? count : max(1, productGrain / work)
    if count <= grain {
      for i in 0..<count { body(left[i] * m * k, right[i] * k * n, i * m * n) }
      return
    }
    WorkPool.forEachRange(count: count, grain: grain) { range in
      for i in range { body(left[i] * m * k, right[i] * k * n, i * m * n) }
    }
  }

  /// C = op(A) · op(B) + beta · C for every product; beta is 0 or 1.
  func run(
    _ a: UnsafePointer<Float>,
    _ b: UnsafePointer<Float>,
    beta: Float,
    _ c: UnsafeMutablePointer<Float>
  ) {
    forEachProduct { i, j, to in
      let (strideA, strideB) = (leftStride, rightStride)
      ck_sgemm(
        transposesLeft,
        transposesRight,
        m,
        n,
        k,
        a + i,
        strideA,
        b + j,
        strideB,
        beta,
        c + to,
        n
      )
    }
  }
}
