import PointCloud
import Tensor

/// Sites drawn at random, in order, negative coordinates among them.
func randomSites(
  _ count: Int,
  extent: Int32,
  batches: Int32 = 2,
  seed: UInt64
) throws -> SparseSites {
  var generator = Philox(seed: seed)
  let cells = Tensor<Int32>.integers([count, 3], in: -extent..<extent, using: &generator).elements
  let scans = Tensor<Int32>.integers([count], in: 0..<batches, using: &generator).elements
  let rows = Set((0..<count).map { [scans[$0]] + cells[3 * $0..<3 * $0 + 3] })
  let sorted = rows.sorted { $0.lexicographicallyPrecedes($1) }
  return try SparseSites(coordinates: Tensor(sorted.flatMap { $0 }, shape: [sorted.count, 4]))
}

/// Sparse convolutions by their definition, in Double, over pairs found one by one.
struct SparseOracle {
  /// (offset, input, output).
  var pairs: [(Int, Int, Int)] = []

  /// Every pair of sites that differ by an offset of a cube of odd size.
  static func submanifold(_ sites: SparseSites, kernelSize: Int) -> SparseOracle {
    let rows = cells(sites)
    let index = Dictionary(uniqueKeysWithValues: rows.enumerated().map { ($1, $0) })
    var oracle = SparseOracle()
    let reach = kernelSize / 2
    for (k, d) in offsets(kernelSize).enumerated() {
      for (output, p) in rows.enumerated() {
        let q = [p[0], p[1] + d[0] - reach, p[2] + d[1] - reach, p[3] + d[2] - reach]
        if let input = index[q] { oracle.pairs.append((k, input, output)) }
      }
    }
    return oracle
  }

  /// Every pair of a site p and a coarse site q with p = 2q + d − (K − 1)/2, and the coarse sites.
  static func strided(_ sites: SparseSites, kernelSize: Int) -> (SparseOracle, [[Int]]) {
    let rows = cells(sites)
    let reach = (kernelSize - 1) / 2
    var found: [(k: Int, input: Int, q: [Int])] = []
    for (k, d) in offsets(kernelSize).enumerated() {
      for (input, p) in rows.enumerated() {
        let doubled = (0..<3).map { p[$0 + 1] - d[$0] + reach }
        guard doubled.allSatisfy({ $0 % 2 == 0 }) else { continue }
        found.append((k, input, [p[0]] + doubled.map { $0 / 2 }))
      }
    }
    let coarse = Set(found.map(\.q)).sorted { $0.lexicographicallyPrecedes($1) }
    let index = Dictionary(uniqueKeysWithValues: coarse.enumerated().map { ($1, $0) })
    var oracle = SparseOracle()
    for (k, input, q) in found { oracle.pairs.append((k, input, index[q] ?? -1)) }
    return (oracle, coarse)
  }

  private static func cells(_ sites: SparseSites) -> [[Int]] {
    let cells = sites.coordinates.elements.map { Int($0) }
    return (0..<sites.count).map { Array(cells[4 * $0..<4 * $0 + 4]) }
  }

  private static func offsets(_ size: Int) -> [[Int]] {
    (0..<size).flatMap { x in
      (0..<size).flatMap { y in (0..<size).map { z in [x, y, z] } }
    }
  }

  var triples: [Int32] {
    pairs.sorted { ($0.0, $0.2) < ($1.0, $1.2) }
      .flatMap { [Int32($0.0), Int32($0.1), Int32($0.2)] }
  }

  /// y[out] = Σ x[in] · w[k] + b.
  func convolve(
    _ x: Tensor<Double>,
    _ weight: Tensor<Double>,
    _ bias: Tensor<Double>?,
    rows: Int,
    inverse: Bool = false
  ) -> Tensor<Double> {
    let (inputs, outputs) = (weight.shape[1], weight.shape[2])
    let (a, w) = (x.elements, weight.elements)
    let b = bias?.elements ?? Array(repeating: 0, count: outputs)
    var y = (0..<rows).flatMap { _ in b }
    for (k, first, second) in pairs {
      let (input, output) = inverse ? (second, first) : (first, second)
      for i in 0..<inputs {
        for j in 0..<outputs {
          y[output * outputs + j] += a[input * inputs + i] * w[(k * inputs + i) * outputs + j]
        }
      }
    }
    return Tensor(y, shape: [rows, outputs])
  }
}
