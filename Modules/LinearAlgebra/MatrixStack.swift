import Tensor

/// The matrices in the last two axes of a tensor, and the loop over them.
struct MatrixStack {
  let operation: String
  let shape: Shape
  /// The extents of the leading axes.
  let batch: [Int]
  private(set) var rows: Int
  private(set) var columns: Int

  /// The stack in `shape`, which must have at least two axes.
  init(_ shape: Shape, _ operation: String) {
    expect(shape.rank >= 2, "\(operation): a matrix is needed, found \(shape)")
    let extents = shape.extents
    self.operation = operation
    self.shape = shape
    batch = extents.dropLast(2)
    rows = extents[extents.count - 2]
    columns = extents[extents.count - 1]
  }

  /// The stack of square matrices in `shape`.
  init(square shape: Shape, _ operation: String) {
    self.init(shape, operation)
    expect(rows == columns, "\(operation): a square matrix is needed, found \(shape)")
  }

  /// The number of matrices.
  var count: Int { batch.reduce(1, *) }
  /// The number of elements of one.
  var size: Int { rows * columns }
  /// The smaller extent.
  var order: Int { min(rows, columns) }

  /// The same matrices with rows and columns exchanged.
  var flipped: MatrixStack {
    var result = self
    (result.rows, result.columns) = (columns, rows)
    return result
  }

  /// The shape of results with these extents, one for each matrix.
  func result(_ extents: Int...) -> Shape { Shape(batch + extents) }

  /// Where matrix `position` lies.
  func place(_ position: Int) -> MatrixPlace {
    var index: [Int] = []
    var rest = position
    for extent in batch.reversed() {
      // An empty stack may still be too large.
      index.insert(rest % max(extent, 1), at: 0)
      rest /= max(extent, 1)
    }
    return MatrixPlace(operation: operation, shape: shape, index: index)
  }

  /// Refuses extents beyond LAPACK's integers.
  func checkExtents() throws(LinearAlgebraError) {
    guard max(rows, columns) <= Int(Int32.max) else { throw .tooLarge(in: place(0)) }
  }

  /// Calls `body` for each matrix, on several threads where that pays, and throws the problem of
  /// the first matrix that has one.
  ///
  /// One matrix takes about that many floating-point `operations`.
  func forEach(
    operations: @autoclosure () -> Int,
    _ body: (Int) -> MatrixProblem?
  ) throws(LinearAlgebraError) {
    try checkExtents()
    LAPACKLibrary.start()
    LAPACKLibrary.prepareThread()
    // 100 thousand operations take about 20 µs: less is not worth a second thread. One matrix may
    // take more than can be counted.
    let grain = count > 1 ? max(1, 100_000 / max(operations(), 1)) : 1
    guard count > grain, LAPACKLibrary.isReentrant else {
      for position in 0..<count {
        if let problem = body(position) { throw problem(place(position)) }
      }
      return
    }
    var problems = [MatrixProblem?](repeating: nil, count: count)
    problems.withUnsafeMutableBufferPointer { slots in
      nonisolated(unsafe) let slots = slots
      WorkPool.forEachRange(count: count, grain: grain) { range in
        for position in range { slots[position] = body(position) }
      }
    }
    for (position, problem) in problems.enumerated() {
      if let problem { throw problem(place(position)) }
    }
  }
}

extension MatrixStack {
  /// Calls `body` with the elements of each matrix of `tensor`; see the version without it.
  func forEach<Scalar>(
    _ tensor: Tensor<Scalar>,
    operations: @autoclosure () -> Int,
    _ body: (UnsafePointer<Scalar>, Int) -> MatrixProblem?
  ) throws(LinearAlgebraError) {
    try tensor.withUnsafeElements { source throws(LinearAlgebraError) in
      guard let start = source.baseAddress else { return }
      try forEach(operations: operations()) { position in body(start + position * size, position) }
    }
  }
}

/// An error that does not know its place yet.
typealias MatrixProblem = (MatrixPlace) -> LinearAlgebraError

/// The problem behind LAPACK's INFO, if it is one; nil stands for a workspace that is too large.
///
/// A negative INFO is a mistake in this module.
func problem(
  _ info: Int32?,
  _ make: @escaping (Int, MatrixPlace) -> LinearAlgebraError = {
    .notConverged(unconverged: $0, in: $1)
  }
) -> MatrixProblem? {
  guard let info else { return { .tooLarge(in: $0) } }
  expect(info >= 0, "lapack: argument \(-info) is not valid")
  return info == 0 ? nil : { make(Int(info), $0) }
}

/// The parts of a matrix that are read.
enum MatrixPart {
  case whole, lower, upper
}

extension LAPACKRoutines {
  /// The problem of the first element of a part of a matrix that is NaN or infinite.
  func nonFinite(
    _ source: UnsafePointer<Scalar>,
    rows: Int,
    columns: Int,
    part: MatrixPart = .whole
  ) -> MatrixProblem? {
    if part == .whole {
      guard let index = loops.firstNonFinite(source, rows * columns) else { return nil }
      return { .notFinite(row: index / columns, column: index % columns, in: $0) }
    }
    for row in 0..<rows {
      let range = part == .lower ? 0..<min(row + 1, columns) : min(row, columns)..<columns
      let start = source + row * columns + range.lowerBound
      if let index = loops.firstNonFinite(start, range.count) {
        return { .notFinite(row: row, column: range.lowerBound + index, in: $0) }
      }
    }
    return nil
  }

  /// Calls a routine twice: for the size of its workspace, then with one of that size.
  ///
  /// Nil when the workspace is beyond LAPACK's integers.
  func withWorkspace(
    _ routine: (_ work: UnsafeMutablePointer<Scalar>, _ count: Int32) -> Int32
  ) -> Int32? where Scalar: BinaryFloatingPoint {
    var wanted = Scalar.zero
    let info = routine(&wanted, -1)
    guard info == 0 else { return info }
    // Single precision rounds large counts, perhaps down.
    let size = Double(wanted) * (1 + Double(Scalar.ulpOfOne))
    // Below zero: the routine's own count overflowed.
    guard size >= 0, size < Double(Int32.max) else { return nil }
    let count = max(1, Int(size.rounded(.up)))
    return withScratch(count, of: Scalar.self) { routine($0, Int32(count)) }
  }
}

/// Calls `body` with pooled memory for `count` elements that nobody has written.
func withScratch<Scalar: BitwiseCopyable, Result>(
  _ count: Int,
  of type: Scalar.Type,
  _ body: (UnsafeMutablePointer<Scalar>) -> Result
) -> Result {
  let storage = TensorStorage(byteCount: count * MemoryLayout<Scalar>.stride)
  defer { withExtendedLifetime(storage) {} }
  return body(storage.pointer.bindMemory(to: Scalar.self, capacity: count))
}

/// A new tensor and its memory, to be written before anyone else has it.
struct FreshTensor<Scalar: TensorElement> {
  let tensor: Tensor<Scalar>
  let elements: UnsafeMutablePointer<Scalar>

  init(_ shape: Shape) {
    let storage = TensorStorage(byteCount: shape.count * MemoryLayout<Scalar>.stride)
    tensor = Tensor(shape: shape, storage: storage, offset: 0)
    elements = storage.pointer.bindMemory(to: Scalar.self, capacity: shape.count)
  }

  /// A copy of `source` that is nobody else's.
  init(copying source: Tensor<Scalar>) {
    self.init(source.shape)
    source.withUnsafeElements { source in
      guard let start = source.baseAddress else { return }
      elements.update(from: start, count: source.count)
    }
  }
}
