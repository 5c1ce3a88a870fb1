public import Autograd
import Tensor

/// Orthogonal low-rank embedding: a loss that makes classes span orthogonal subspaces.
///
///     L = λ/N · ( Σ_c max(Δ, ‖Z_c‖_*) − ‖Z‖_* )                 ‖A‖_* = Σ singular values
///     dL/dZ = λ/N · ( [P(Z_c) on the rows of c if ‖Z_c‖_* > Δ, else 0] − P(Z) )
///     P(A) = Σ u·vᵀ over the singular values above the threshold (absolute)
///
/// Σ‖Z_c‖_* ≥ ‖Z‖_* always, with equality when the row spaces of the classes are orthogonal. A class
/// whose norm is at most Δ counts Δ and gets no gradient of its own, which stops the collapse to 0.
/// With one class only the loss is 0, unless Δ is above its norm.
///
/// - Shapes: Z [N × D], a label for each row.
/// - Source: Lezama et al., "OLÉ: Orthogonal Low-rank Embedding", CVPR 2018, equation 5 and the
///   official code, which ignores the incoming gradient where this multiplies by it.
/// - Choice: with `normalizesRows` the rows are divided by max(‖z‖, 1e-12) first: the loss is
///   homogeneous, and raw latents can shrink instead of turning apart.
/// - Complexity: O(N · D²) in Double.
public struct OrthogonalLowRankEmbedding: Codable, Hashable, Sendable {
  /// λ.
  public var weight: Float
  /// Δ, 0 or more.
  public var margin: Double
  /// Singular values up to this one have no part in the gradient.
  public var threshold: Double
  /// Whether rows are divided by their lengths first.
  public var normalizesRows: Bool

  /// The loss of the official code, with its defaults.
  public init(
    weight: Float = 0.25,
    margin: Double = 1,
    threshold: Double = 1e-6,
    normalizesRows: Bool = false
  ) {
    self.weight = weight
    self.margin = margin
    self.threshold = threshold
    self.normalizesRows = normalizesRows
  }

  /// The loss of a batch of latents, a scalar.
  ///
  /// - Parameters:
  ///   - latents: Z [N × D].
  ///   - labels: the class of each row; any numbers.
  /// - Returns: the loss; on the tape where the latents are.
  /// - Throws: `NoveltyError.numerics` for latents that are not finite.
  public func callAsFunction(
    _ latents: Variable,
    labels: [Int32]
  ) throws(NoveltyError) -> Variable {
    let (loss, gradient) = try lossAndGradient(latents.value, labels: labels)
    return .custom(Tensor(scalar: Float(loss)), input: latents) { upstream in
      gradient * upstream.item
    }
  }

  /// The loss, and its gradient by the latents.
  func lossAndGradient(
    _ latents: Tensor<Float>,
    labels: [Int32]
  ) throws(NoveltyError) -> (loss: Double, gradient: Tensor<Float>) {
    expect(
      latents.rank == 2 && latents.shape[0] == labels.count,
      "orthogonal embedding: \(labels.count) labels, latents \(latents.shape)"
    )
    var rows = LatentRows(latents, normalized: normalizesRows)
    guard rows.count > 0 else { return (0, .zeros(latents.shape)) }
    let scale = Double(weight) / Double(rows.count)
    let whole = try NuclearNorm.of([rows.all], threshold: threshold)[0]
    var loss = -whole.norm
    rows.addGradient(whole.polar, of: Array(0..<rows.count), factor: -scale)
    let groups = LabelGroups(labels).rows
    let norms = try NuclearNorm.of(groups.map { rows.matrix(of: $0) }, threshold: threshold)
    for (group, part) in zip(groups, norms) {
      loss += max(margin, part.norm)
      guard part.norm > margin else { continue }
      rows.addGradient(part.polar, of: group, factor: scale)
    }
    return (loss * scale, rows.gradientOfLatents())
  }
}

/// Latents in Double, raw or of unit length, and the gradient of a loss by them.
private struct LatentRows {
  let count: Int
  let width: Int
  private var elements: [Double]
  private var gradient: [Double]
  /// The lengths that rows were divided by; nil for raw rows.
  private var lengths: [Double]?

  init(_ latents: Tensor<Float>, normalized: Bool) {
    (count, width) = (latents.shape[0], latents.shape[1])
    elements = latents.withUnsafeElements { $0.map { Double($0) } }
    gradient = [Double](repeating: 0, count: elements.count)
    guard normalized else { return }
    var lengths = [Double](repeating: 0, count: count)
    for row in 0..<count {
      let range = row * width..<(row + 1) * width
      var sum = 0.0
      for index in range { sum += elements[index] * elements[index] }
      lengths[row] = max(sum.squareRoot(), 1e-12)
      for index in range { elements[index] /= lengths[row] }
    }
    self.lengths = lengths
  }

  var all: Tensor<Double> { Tensor(elements, shape: [count, width]) }

  func matrix(of rows: [Int]) -> Tensor<Double> {
    Tensor(uninitialized: [rows.count, width]) { target in
      for (place, row) in rows.enumerated() {
        for column in 0..<width {
          target[place * width + column] = elements[row * width + column]
        }
      }
    }
  }

  mutating func addGradient(_ part: Tensor<Double>, of rows: [Int], factor: Double) {
    part.withUnsafeElements { part in
      for (place, row) in rows.enumerated() {
        for column in 0..<width {
          gradient[row * width + column] += factor * part[place * width + column]
        }
      }
    }
  }

  /// Through the normalization: (g − ẑ (ẑ·g)) / ‖z‖.
  func gradientOfLatents() -> Tensor<Float> {
    Tensor(uninitialized: [count, width]) { target in
      for row in 0..<count {
        let range = row * width..<(row + 1) * width
        guard let lengths else {
          for index in range { target[index] = Float(gradient[index]) }
          continue
        }
        var along = 0.0
        // Below the floor the divisor is a constant.
        if lengths[row] > 1e-12 {
          for index in range { along += elements[index] * gradient[index] }
        }
        for index in range {
          target[index] = Float((gradient[index] - elements[index] * along) / lengths[row])
        }
      }
    }
  }
}
