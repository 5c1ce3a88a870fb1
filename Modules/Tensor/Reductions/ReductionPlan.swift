/// Which axes of a shape a reduction joins, with neighbours that are treated alike merged.
struct ReductionPlan {
  /// The result, with the reduced axes left out or kept with extent 1.
  let result: Shape
  /// The extents between kept and reduced axes: [kept, reduced, kept, reduced, …, kept].
  let groups: [Int]
  /// The elements that each element of the result joins.
  let joined: Int

  /// The plan for `axes`; none means all of them, negative ones count from the end.
  init(_ shape: Shape, _ axes: [Int], keepingDimensions: Bool, _ operation: String) {
    let slots = shape.slots
    var isReduced = [Bool](repeating: axes.isEmpty, count: shape.rank)
    for axis in axes {
      let position = shape.position(of: axis, operation)
      expect(!isReduced[position], "\(operation): axis \(axis) is named twice for \(shape)")
      isReduced[position] = true
    }
    var (result, rank, joined, groups) = (Shape.Slots(repeating: 1), 0, 1, [1])
    for axis in 0..<shape.rank {
      // Axes of extent 1 take either part, so they never end a group.
      let extent = slots[axis]
      if extent != 1 {
        if (groups.count % 2 == 0) == isReduced[axis] {
          groups[groups.count - 1] *= extent
        } else {
          groups.append(extent)
        }
      }
      if isReduced[axis] { joined *= extent }
      if !isReduced[axis] || keepingDimensions {
        result[rank] = isReduced[axis] ? 1 : extent
        rank += 1
      }
    }
    if groups.count % 2 == 0 { groups.append(1) }
    self.result = Shape(rank: rank, slots: result)
    self.groups = groups
    self.joined = joined
  }

  /// The one run of reduced axes as [outer × reduced × inner]; nil when there are several runs.
  var block: ReductionBlock? {
    switch groups.count {
    case 1: ReductionBlock(outer: groups[0], reduced: 1, inner: 1)
    case 3: ReductionBlock(outer: groups[0], reduced: groups[1], inner: groups[2])
    default: nil
    }
  }
}

/// A reduction of the middle axis of [outer × reduced × inner].
struct ReductionBlock {
  var outer: Int
  var reduced: Int
  var inner: Int
}

/// What a reduction computes; the raw values are CKernels'.
enum Reduction: Int32 {
  case sum = 0
  /// Σ (x − centre)².
  case squares, product, maximum, minimum

  /// The reduction of nothing.
  var start: Double {
    switch self {
    case .sum, .squares: 0
    case .product: 1
    case .maximum: -.infinity
    case .minimum: .infinity
    }
  }

  /// Joins two partial results; NaN wins.
  func join(_ a: Double, _ b: Double) -> Double {
    switch self {
    case .sum, .squares: a + b
    case .product: a * b
    case .maximum: a > b || a.isNaN ? a : b
    case .minimum: a < b || a.isNaN ? a : b
    }
  }
}
