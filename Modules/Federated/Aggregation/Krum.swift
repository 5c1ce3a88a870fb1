import Tensor

// Blanchard et al. 2017, "Machine Learning with Adversaries: Byzantine Tolerant Gradient Descent":
// with K updates of which at most f are wrong,
//
//     score_i = Σ of the K − f − 2 smallest ‖D_i − D_j‖², j ≠ i
//
// Krum takes the update of the smallest score, multi-Krum the mean of the m smallest.

/// Chooses the updates that lie closest to others.
///
/// Distances run over the entries that all updates cover.
///
/// - Complexity: O(K² n) for K updates of n common entries.
public struct Krum: Codable, Hashable, Sendable {
  /// f.
  public var byzantineCount: Int
  /// m, 1 for plain Krum.
  public var selectedCount: Int

  /// A choice.
  public init(byzantineCount: Int, selectedCount: Int = 1) {
    expect(
      byzantineCount >= 0 && selectedCount > 0,
      "krum: \(byzantineCount) wrong updates, \(selectedCount) to select"
    )
    self.byzantineCount = byzantineCount
    self.selectedCount = selectedCount
  }

  /// The scores of the contributions, in their order.
  ///
  /// At least one distance counts, however few updates there are.
  public func scores(_ contributions: [Contribution], like global: ParameterSet) -> [Double] {
    let vectors = commonVectors(contributions, like: global)
    let count = vectors.count
    guard count > 1 else { return [Double](repeating: 0, count: count) }
    var distances = [Double](repeating: 0, count: count * count)
    distances.withUnsafeMutableBufferPointer { distances in
      let target = UncheckedPointer(distances.baseAddress)
      WorkPool.forEach(parts: count) { row in
        for column in 0..<count where column != row {
          target.pointer?[row * count + column] = squaredDistance(vectors[row], vectors[column])
        }
      }
    }
    let counted = max(1, min(count - byzantineCount - 2, count - 1))
    return (0..<count).map { row in
      let others = (0..<count).filter { $0 != row }.map { distances[row * count + $0] }
      return others.sorted().prefix(counted).reduce(0, +)
    }
  }

  /// The contributions with the smallest scores, the best first; of equal ones the earlier.
  public func callAsFunction(
    _ contributions: [Contribution],
    like global: ParameterSet
  ) -> [Contribution] {
    let scores = scores(contributions, like: global)
    let order = scores.indices.sorted { (scores[$0], $0) < (scores[$1], $1) }
    return order.prefix(selectedCount).map { contributions[$0] }
  }

  /// The entries that all contributions cover, as one vector for each.
  private func commonVectors(
    _ contributions: [Contribution],
    like global: ParameterSet
  ) -> [[Float]] {
    var vectors = [[Float]](repeating: [], count: contributions.count)
    for (name, shape) in global.shapes {
      let coverages = contributions.map { $0.update.coverage[name] }
      guard let first = coverages.first ?? nil, !coverages.contains(nil) else { continue }
      let isSame = coverages.allSatisfy { $0 == first }
      let common = coverages.reduce(Coverage.full) { result, coverage in
        coverage.map { result.intersection($0, in: shape) } ?? result
      }
      for (index, contribution) in contributions.enumerated() {
        guard let (part, coverage) = contribution.part(name, of: shape) else { continue }
        let values = isSame ? part : common.part(of: coverage.expanded(part, to: shape))
        let factor = contribution.scale
        vectors[index] += values.elements.map { Float(Double($0) * factor) }
      }
    }
    return vectors
  }
}

/// A pointer that several threads write different places of.
struct UncheckedPointer<Element>: @unchecked Sendable {
  // Unchecked: each part of the work writes its own elements.
  let pointer: UnsafeMutablePointer<Element>?

  init(_ pointer: UnsafeMutablePointer<Element>?) { self.pointer = pointer }
}

private func squaredDistance(_ a: [Float], _ b: [Float]) -> Double {
  a.withUnsafeBufferPointer { a in
    b.withUnsafeBufferPointer { b in
      var sums = SIMD4<Double>()
      let whole = a.count & ~3
      for index in Swift.stride(from: 0, to: whole, by: 4) {
        let difference = SIMD4<Double>(
          Double(a[index]) - Double(b[index]),
          Double(a[index + 1]) - Double(b[index + 1]),
          Double(a[index + 2]) - Double(b[index + 2]),
          Double(a[index + 3]) - Double(b[index + 3])
        )
        sums += difference * difference
      }
      var total = sums.sum()
      for index in whole..<a.count {
        let difference = Double(a[index]) - Double(b[index])
        total += difference * difference
      }
      return total
    }
  }
}
