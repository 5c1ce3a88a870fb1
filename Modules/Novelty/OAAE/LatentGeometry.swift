import LinearAlgebra
import Tensor

/// How the latents of normal classes lie: what tells a good weight of the embedding.
///
/// Good is a mean |cos| of at most 0.2 and a rank90 of at most half the latent width. A larger |cos|
/// asks for more weight of the embedding, or for the adversarial prior.
public struct LatentGeometry: Codable, Hashable, Sendable {
  /// The mean |cos| between the mean latents of two classes; nil for one class.
  public var meanAbsoluteCosine: Double?
  /// The directions that make 90 % of the nuclear norm of a class's latents, mean over classes.
  public var rank90: Double
  /// The mean length of the latents.
  public var meanLength: Double

  /// The geometry of latents [N × d].
  init(of latents: Tensor<Float>, _ groups: LabelGroups) throws(NoveltyError) {
    let lengths = latents.rowSquaredNorms().map { Double($0).squareRoot() }
    meanLength = lengths.reduce(0, +) / Double(max(lengths.count, 1))
    var ranks = 0.0
    var means: [Tensor<Float>] = []
    for rows in groups.rows where !rows.isEmpty {
      let matrix = latents.rows(rows.map { Int32($0) })
      let values = try factoring { () throws(LinearAlgebraError) in try matrix.singularValues() }
      ranks += Double(Self.rank(of: values, share: 0.9))
      means.append(matrix.mean(axes: 0))
    }
    rank90 = ranks / Double(max(means.count, 1))
    meanAbsoluteCosine = Self.meanAbsoluteCosine(means)
  }

  private static func meanAbsoluteCosine(_ means: [Tensor<Float>]) -> Double? {
    guard means.count > 1 else { return nil }
    let units = Tensor.stacking(means).converted(to: Double.self)
    let products = units.matmul(units, transposingOther: true).elements
    var sum = 0.0
    let count = means.count
    for row in 0..<count {
      for column in 0..<count where column != row {
        let scale = (products[row * count + row] * products[column * count + column]).squareRoot()
        sum += scale > 0 ? abs(products[row * count + column]) / scale : 0
      }
    }
    return sum / Double(count * (count - 1))
  }

  /// How many of the largest values make a share of the sum; at least 1 if any is above 0.
  static func rank(of values: Tensor<Float>, share: Double) -> Int {
    let values = values.elements.map { Double($0) }
    let total = values.reduce(0, +)
    guard total > 0 else { return 0 }
    var (sum, rank) = (0.0, 0)
    for value in values {
      rank += 1
      sum += value
      if sum >= share * total { break }
    }
    return rank
  }
}
