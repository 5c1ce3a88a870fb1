public import Autograd
public import Tensor

// AlphaTuning: Kwon et al. 2022, "AlphaTuning: Quantization-Aware Parameter-Efficient Adaptation of
// Large-Scale Pre-Trained Language Models" (arXiv 2210.03858).
//
//     W ≈ Σ_i diag(α_i) B_i,   B_i ∈ {−1, +1}^(N×K)                         (eq. 1)
//     Y = Σ_i (X B_iᵀ) diag(α_i)                                            (eq. 2)
//
// All B and α_2 … α_q are frozen; a task trains α_1, or the first k:
//
//     ∂L/∂α_{i,o} = 1/g Σ_{j ∈ group} G_{oj} B_{i,oj},   G = (∂L/∂Y)ᵀ X     (eq. 3)
//
// As printed, eq. 3 mixes rows; this is the derivative of eq. 2, divided by the group's size g as the
// paper does to keep the steps stable. Adam cancels the factor but for its eps.

/// A linear layer of frozen binary codes whose first scales are trained.
///
/// Neither pass writes the weight or its gradient out. A step costs three products of the layer's size.
///
/// - Shapes: B_i [N × K], α [N × groups × k], b [N] or nil, x [… × K], y [… × N].
public final class AlphaTuningLinear: ScaleTunedLinear {
  /// What the gradient of α is divided by.
  public enum GradientDivisor: String, Codable, Hashable, Sendable, CaseIterable {
    /// The group's size, as in the paper.
    case groupSize = "group-size"
    /// Nothing: the derivative itself.
    case one
  }

  /// The planes with all scales as they were found.
  public let base: BinaryCodedMatrix
  /// α_1 … α_k.
  public let scales: Parameter
  /// b, which is not trained; or nil.
  public let bias: Tensor<Float>?
  /// What the gradient of α is divided by.
  public let gradientDivisor: GradientDivisor
  /// The scales of several tasks, one of which may take the place of `scales`.
  public var tasks: LayerTasks?
  private let frozen: Tensor<Float>?

  /// A layer that starts as the coded matrix [N × K] is.
  ///
  /// - Parameters:
  ///   - base: the codes.
  ///   - bias: b.
  ///   - trainedPlanes: k, from 1 to the planes of `base`.
  ///   - gradientDivisor: what the gradient of α is divided by.
  public init(
    _ base: BinaryCodedMatrix,
    bias: Tensor<Float>? = nil,
    trainedPlanes: Int = 1,
    gradientDivisor: GradientDivisor = .groupSize
  ) {
    expect(
      1...base.planeCount ~= trainedPlanes,
      "AlphaTuning: \(trainedPlanes) trained planes of \(base.planeCount)"
    )
    if let bias {
      expect(
        bias.shape == [base.shape[0]],
        "AlphaTuning: the bias must match the weight's rows, \(base.shape) · \(bias.shape)"
      )
    }
    self.base = base
    self.bias = bias
    self.gradientDivisor = gradientDivisor
    scales = Parameter(base.scales.sliced(0..<trainedPlanes, axis: -1))
    frozen =
      trainedPlanes == base.planeCount
      ? nil : base.scales.sliced(trainedPlanes..<base.planeCount, axis: -1)
  }

  /// K.
  public var inputWidth: Int { base.shape[1] }
  /// N.
  public var outputWidth: Int { base.shape[0] }
  /// k.
  public var trainedPlanes: Int { scales.shape[2] }
  /// The codes with the scales of now.
  public var weight: BinaryCodedMatrix { weight(scales.value) }
  /// The scales that the layer began with.
  public var initialScales: Tensor<Float> { base.scales.sliced(0..<trainedPlanes, axis: -1) }

  private func weight(_ scales: Tensor<Float>) -> BinaryCodedMatrix {
    base.replacing(scales: frozen.map { .concatenating([scales, $0], axis: -1) } ?? scales)
  }

  /// x Ŵᵀ + b under given scales.
  public func product(with input: Tensor<Float>, scales: Tensor<Float>) -> Tensor<Float> {
    weight(scales).product(with: input, bias: bias)
  }

  /// Reading the codes of a layer once takes about as long as so many rows of products.
  private static let rowsOfReading = 16

  /// y_n = Σ_{i ≤ k} α_i^{task(n)} ∘ (x_n B_iᵀ) + Σ_{i > k} α_i ∘ (x_n B_iᵀ) + b: k + 1 products for all
  /// tasks together.
  ///
  /// - Returns: y [R × N]; nil for groups of inputs, and where tasks are so few or rows so many that
  ///   one product for each task is faster.
  public func sharedProduct(
    with input: Tensor<Float>,
    scales: [Tensor<Float>],
    members: [Int32]
  ) -> Tensor<Float>? {
    let saved = (scales.count - trainedPlanes - 1) * Self.rowsOfReading
    guard base.scales.shape[1] == 1, saved > trainedPlanes * members.count else { return nil }
    var sum = weight(.zeros(self.scales.shape)).product(with: input, bias: bias)
    for plane in 0..<trainedPlanes {
      let alphas = Tensor.concatenating(
        scales.map { $0.sliced(plane..<plane + 1, axis: -1).reshaped(to: [1, outputWidth]) },
        axis: 0
      ).rows(members)  // [R, N]
      sum += base.unitPlane(plane).product(with: input, bias: nil) * alphas
    }
    return sum
  }

  /// x Ŵᵀ + b without gradients, by the scales of the task that is chosen.
  public func callAsFunction(_ input: Tensor<Float>) -> Tensor<Float> { taskProduct(with: input) }

  /// x Ŵᵀ + b with the gradients of x and α.
  public func callAsFunction(_ input: Variable) -> Variable {
    let alphas = scales.variable
    guard Recording.isTraining else { return Variable(self(input.value)) }
    let (weight, x) = (weight, input.value)
    let (wantsInput, wantsScales) = (input.isFollowed, alphas.isFollowed)
    return .custom(weight.product(with: x, bias: bias), inputs: [input, alphas]) { gradient in
      [
        wantsInput ? weight.inputGradient(gradient) : nil,
        wantsScales ? self.scaleGradient(gradient, input: x) : nil,
      ]
    }
  }

  /// The rows `indices` of Ŵ as floats.
  public func weightRows(_ indices: [Int32]) -> Tensor<Float> { weight.rows(indices) }

  /// Planes and the scales that are not trained.
  public func hashFrozen(into digest: inout FrozenDigest) {
    hashFrozen(into: &digest, trainedPlanes: trainedPlanes)
  }

  /// The same for a task that trains other planes than this layer: from the scales as they were found.
  func hashFrozen(into digest: inout FrozenDigest, trainedPlanes: Int) {
    digest.update(base.words)
    if trainedPlanes < base.planeCount {
      digest.update(base.scales.sliced(trainedPlanes..<base.planeCount, axis: -1))
    }
    if let offsets = base.offsets { digest.update(offsets) }
  }

  /// ∂L/∂α over `gradientDivisor`.
  private func scaleGradient(_ gradient: Tensor<Float>, input: Tensor<Float>) -> Tensor<Float> {
    let layout = GroupLayout(
      rowCount: outputWidth,
      columnCount: inputWidth,
      rowsPerGroup: 1,
      columnsPerGroup: base.groupSize
    )
    let planes = (0..<trainedPlanes).map { base.unitPlane($0) }
    let sums = rowSums(gradient, input, layout, count: trainedPlanes) { plane, rows in
      planes[plane].rows(rows)
    }
    let size = gradientDivisor == .one ? 1 : Float(min(base.groupSize, inputWidth))
    let parts = sums.map { $0.reshaped(to: [outputWidth, layout.columnGroups, 1]) }
    return Tensor.concatenating(parts, axis: -1) / size
  }
}
