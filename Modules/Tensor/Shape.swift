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
  public init(_ extents: some Collection<Int>) {
    expect(
      extents.count <= Shape.maximumRank,
      "shape: \(extents.count) dimensions, at most \(Shape.maximumRank) are supported"
    )
    expect(extents.allSatisfy { $0 >= 0 }, "shape: negative extent in \(Array(extents))")
    expect(Shape.isCountable(extents), "shape: too many elements in \(Array(extents))")
    var values = (1, 1, 1, 1, 1, 1)
    withUnsafeMutableBytes(of: &values) { bytes in
      let slots = bytes.assumingMemoryBound(to: Int.self)
      for (slot, extent) in extents.enumerated() { slots[slot] = extent }
    }
    rank = extents.count
    storage = values
  }

  /// A shape with extents that come from outside; nil unless `init(_:)` would accept them.
  package init?(validating extents: [Int]) {
    guard extents.count <= Shape.maximumRank, extents.allSatisfy({ $0 >= 0 }),
      Shape.isCountable(extents)
    else { return nil }
    self.init(extents)
  }

  /// Whether the bytes of that many elements can be counted, whichever extents are zero.
  private static func isCountable(_ extents: some Collection<Int>) -> Bool {
    // The widest element has 8 bytes; the pool rounds sizes up.
    var room = Int.max / 16
    for extent in extents where extent > 1 { room /= extent }
    return room > 0
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
  package var droppingFirst: Shape { Shape(extents.dropFirst()) }

  /// This shape with the leading extent replaced.
  package func replacingFirst(with extent: Int) -> Shape { Shape([extent] + extents.dropFirst()) }

  /// This shape with the last extent replaced.
  package func replacingLast(with extent: Int) -> Shape { Shape(extents.dropLast() + [extent]) }

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
    for extent in extents { hasher.combine(extent) }
  }
}

extension Shape: ExpressibleByArrayLiteral {
  /// A shape written as its extents: `[2, 3]`.
  public init(arrayLiteral elements: Int...) { self.init(elements) }
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
