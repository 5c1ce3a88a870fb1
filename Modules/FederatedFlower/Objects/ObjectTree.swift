extension WireObjectTree {
  /// A message, its records, one record, an array and its chunks lie below each other.
  private static let deepest = 8

  /// The distinct ids, every child before its parents.
  func ids(limits: FlowerLimits) throws(FlowerError) -> [String] {
    var ids: [String] = []
    var seen: Set<String> = []
    var remaining = 16 * limits.objectCount
    try collect(&ids, &seen, &remaining, depth: 0)
    guard ids.count <= limits.objectCount else {
      throw .tooLarge(what: "number of objects of a message", limit: limits.objectCount)
    }
    return ids
  }

  private func collect(
    _ ids: inout [String],
    _ seen: inout Set<String>,
    _ remaining: inout Int,
    depth: Int
  ) throws(FlowerError) {
    remaining -= 1
    guard depth < Self.deepest, remaining >= 0 else {
      throw .malformedObject(id: objectID, reason: "the tree of the message is too deep or large")
    }
    guard FlowerObject.isID(objectID) else {
      throw .malformedObject(id: objectID, reason: "the tree names no hash of an object")
    }
    for child in children { try child.collect(&ids, &seen, &remaining, depth: depth + 1) }
    if seen.insert(objectID).inserted { ids.append(objectID) }
  }
}
