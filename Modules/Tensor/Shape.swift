/// The extents of a tensor, outermost dimension first.
///
/// Up to six dimensions, stored inline: a shape never allocates.
@frozen
public struct Shape: Hashable, Sendable {
  /// The largest supported number of dimensions.
  public static let maximumRank = 6

  /// The number of dimensions; 0 for a scalar.
  public let rank: Int
  @usableFromInline
  package let storage: (Int, Int, Int, Int, Int, Int)

  /// A shape with the given extents, outermost first; each at least 0, at most six of them.
  ///
  /// The product of the extents that are not zero must stay below 2^59, so that no count overflows.
  public init(_ extents: [Int]) { self = extents.withUnsafeBufferPointer { Shape(copying: $0) } }

  /// A shape with the given extents; see `init(_:)` for arrays.
  @_disfavoredOverload
  public init(_ extents: some Collection<Int>) { self.init(Array(extents)) }

  @usableFromInline
  package init(copying extents: UnsafeBufferPointer<Int>) {
    expect(
      extents.count <= Shape.maximumRank,
      "shape: \(extents.count) dimensions, at most \(Shape.maximumRank) are supported"
    )
    expect(extents.allSatisfy { $0 >= 0 }, "shape: negative extent in \(Array(extents))")
    var slots = Slots(repeating: 1)
    for axis in extents.indices { slots[axis] = extents[axis] }
    self.init(rank: extents.count, slots: slots)
  }

  /// A shape from checked extents; the slots from `rank` on must hold 1.
  package init(rank: Int, slots: Slots) {
    expect(
      Shape.isCountable(slots),
      "shape: too many elements in \((0..<rank).map { slots[$0] })"
    )
    self.rank = rank
    storage = (slots[0], slots[1], slots[2], slots[3], slots[4], slots[5])
  }

  /// A shape with extents that come from outside; nil unless `init(_:)` would accept them.
  package init?(validating extents: [Int]) {
    guard extents.count <= Shape.maximumRank, extents.allSatisfy({ $0 >= 0 }) else { return nil }
    var slots = Slots(repeating: 1)
    for axis in extents.indices { slots[axis] = extents[axis] }
    guard Shape.isCountable(slots) else { return nil }
    self.init(rank: extents.count, slots: slots)
  }

  /// Whether the bytes of that many elements can be counted, whichever extents are zero.
  private static func isCountable(_ slots: Slots) -> Bool {
    var count = 1
    for axis in 0..<maximumRank {
      let (product, overflow) = count.multipliedReportingOverflow(by: max(slots[axis], 1))
      if overflow { return false }
      count = product
    }
    // The widest element has 8 bytes; the pool rounds sizes up.
    return count <= Int.max / 16
  }

  /// Extents, strides or indices by axis: room for all axes and two more, without allocation.
  package typealias Slots = SIMD8<Int>

  /// The extents; the slots from `rank` on hold 1.
  package var slots: Slots {
    Slots(storage.0, storage.1, storage.2, storage.3, storage.4, storage.5, 1, 1)
  }

  /// The position of `axis`, which may count from the end.
  package func position(of axis: Int, _ operation: String) -> Int {
    expect(axis >= -rank && axis < rank, "\(operation): axis \(axis) of \(self)")
    return axis < 0 ? axis + rank : axis
  }

  /// The extents as an array, outermost first.
  public var extents: [Int] { (0..<rank).map { self[$0] } }

  /// The number of elements; 1 for a scalar.
  public var count: Int {
    // Unused slots hold 1, so the product needs no loop over the rank.
    storage.0 * storage.1 * storage.2 * storage.3 * storage.4 * storage.5
  }

  /// The extent of `axis`; negative axes count from the end.
  public subscript(axis: Int) -> Int {
    let index = axis < 0 ? axis + rank : axis
    expect(index >= 0 && index < rank, "shape: axis \(axis) of \(self)")
    return withUnsafeBytes(of: storage) { $0.assumingMemoryBound(to: Int.self)[index] }
  }

  /// The shape of one element along the leading axis.
  package var droppingFirst: Shape {
    let (_, b, c, d, e, f) = storage
    return Shape(rank: rank - 1, slots: Slots(b, c, d, e, f, 1, 1, 1))
  }

  /// This shape without the last extent.
  package var droppingLast: Shape { removing(axis: rank - 1) }

  /// This shape with the leading extent replaced.
  package func replacingFirst(with extent: Int) -> Shape {
    replacing(axis: 0, with: extent)
  }

  /// This shape with the last extent replaced.
  package func replacingLast(with extent: Int) -> Shape {
    replacing(axis: rank - 1, with: extent)
  }

  /// This shape with one extent replaced.
  package func replacing(axis: Int, with extent: Int) -> Shape {
    var slots = slots
    slots[axis] = extent
    return Shape(rank: rank, slots: slots)
  }

  /// This shape without an axis.
  package func removing(axis: Int) -> Shape {
    var slots = slots
    for later in axis..<Shape.maximumRank { slots[later] = slots[later + 1] }
    return Shape(rank: rank - 1, slots: slots)
  }

  /// This shape with one more axis before `axis`.
  package func inserting(_ extent: Int, at axis: Int) -> Shape {
    expect(rank < Shape.maximumRank, "shape: no room for one more axis in \(self)")
    var slots = slots
    for later in stride(from: rank, to: axis, by: -1) { slots[later] = slots[later - 1] }
    slots[axis] = extent
    return Shape(rank: rank + 1, slots: slots)
  }

  /// The distance between neighbours along each axis of a dense tensor, in elements.
  package var strides: Slots {
    var strides = Slots(repeating: 1)
    for axis in stride(from: rank - 2, through: 0, by: -1) {
      strides[axis] = strides[axis + 1] * slots[axis + 1]
    }
    return strides
  }

  /// Whether two shapes have the same rank and extents.
  public static func == (left: Shape, right: Shape) -> Bool {
    left.rank == right.rank && left.storage.0 == right.storage.0
      && left.storage.1 == right.storage.1 && left.storage.2 == right.storage.2
      && left.storage.3 == right.storage.3 && left.storage.4 == right.storage.4
      && left.storage.5 == right.storage.5
  }

  /// Hashes the rank and the extents.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(rank)
    for axis in 0..<rank { hasher.combine(slots[axis]) }
  }
}

extension Shape: ExpressibleByArrayLiteral {
  /// A shape written as its extents: `[2, 3]`.
  @inlinable
  public init(arrayLiteral elements: Int...) {
    self = elements.withUnsafeBufferPointer { Shape(copying: $0) }
  }
}

extension Shape: CustomStringConvertible {
  /// The extents between brackets: `[2×3]`.
  public var description: String {
    "[" + extents.map(String.init).joined(separator: "×") + "]"
  }
}

extension Shape: Codable {
  /// Reads a list of at most six extents, each at least 0.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let extents = try container.decode([Int].self)
    guard let shape = Shape(validating: extents) else {
      throw DecodingError.dataCorruptedError(
        in: container,
        debugDescription: "not a shape: \(extents)"
      )
    }
    self = shape
  }

  /// Writes the list of extents.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(extents)
  }
}
