public import Autograd
public import Tensor

// PEQA: Kim et al. 2023, "Memory-Efficient Fine-Tuning of Compressed Large Language Models via
// sub-4-bit Integer Quantization" (arXiv 2305.14152).
//
//     Ŵ = (s₀ + Δs) · W̄,   W̄ = clamp(round(W/s₀) + z₀, 0, 2^b − 1) − z₀     (eq. 1 and 2)
//
// W̄ and z₀ are frozen for every task, s = s₀ + Δs is what a task trains:
//
//     ∂L/∂s_{o,h} = Σ_{i ∈ h} G_{oi} W̄_{oi},   G = (∂L/∂y)ᵀ x,   ∂L/∂x = (∂L/∂y) Ŵ
//
// There is no straight-through estimator: rounding is not on the tape. With one step size a row the
// gradient needs no G at all: with p = x W̄ᵀ = (y − b) / s, ∂L/∂s_o = Σ_n (∂L/∂y)_{no} p_{no}.

/// A linear layer of frozen packed codes whose step sizes are trained: y = x (s ∘ W̄)ᵀ + b.
///
/// Neither pass writes Ŵ or its gradient out. A step costs two products of the layer's size where a
/// row or a group of outputs shares a step size, and three where groups of inputs do.
///
/// - Shapes: W̄ [N × K], s as `QuantizedMatrix.stepSizes`, b [N] or nil, x [… × K], y [… × N].
public final class PEQALinear: ScaleTunedLinear {
  /// The codes and zero points, with s₀.
  public let base: QuantizedMatrix
  /// s, which may cross zero: nothing clamps it.
  public let scales: Parameter
  /// b, which is not trained; or nil.
  public let bias: Tensor<Float>?
  /// What x passes through first; nil for x as it is.
  public var inputQuantizer: (any ActivationQuantizer)?
  /// The scales of several tasks, one of which may take the place of `scales`.
  public var tasks: LayerTasks?

  /// A layer that starts as the quantized matrix [N × K] is.
  public init(
    _ base: QuantizedMatrix,
    bias: Tensor<Float>? = nil,
    inputQuantizer: (any ActivationQuantizer)? = nil
  ) {
    if let bias {
      expect(
        bias.shape == [base.shape[0]],
        "PEQA: the bias must match the weight's rows, \(base.shape) · \(bias.shape)"
      )
    }
    self.base = base
    scales = Parameter(base.stepSizes)
    self.bias = bias
    self.inputQuantizer = inputQuantizer
  }

  /// K.
  public var inputWidth: Int { base.shape[1] }
  /// N.
  public var outputWidth: Int { base.shape[0] }
  /// Ŵ with the scales of now.
  public var weight: QuantizedMatrix { base.replacing(stepSizes: scales.value) }
  /// The scales that the layer began with.
  public var initialScales: Tensor<Float> { base.stepSizes }

  /// The packed layer that computes the same bits.
  public func packed() -> PackedLinear {
    PackedLinear(weight: weight, bias: bias, inputQuantizer: inputQuantizer)
  }

  /// x Ŵᵀ + b under given scales.
  public func product(with input: Tensor<Float>, scales: Tensor<Float>) -> Tensor<Float> {
    base.replacing(stepSizes: scales).product(with: input, bias: bias)
  }

  /// y_n = s^{task(n)} ∘ (x_n W̄ᵀ) + b: a row's step size multiplies an output alone, so the codes are
  /// read once, however many tasks there are; nil for groups.
  public func sharedProduct(
    with input: Tensor<Float>,
    scales: [Tensor<Float>],
    members: [Int32]
  ) -> Tensor<Float>? {
    switch base.scheme.granularity {
    case .inputGroups, .outputGroups: return nil
    case .outputChannel, .tensor:
      let unit = base.replacing(stepSizes: .ones(base.stepSizes.shape))
      let steps = Tensor.concatenating(
        scales.map { $0.reshaped(to: [1, $0.count]) },
        axis: 0
      ).rows(members)  // [R, N], or [R, 1]
      let product = unit.product(with: input) * steps
      return bias.map { product + $0 } ?? product
    }
  }

  /// x Ŵᵀ + b without gradients, by the scales of the task that is chosen.
  public func callAsFunction(_ input: Tensor<Float>) -> Tensor<Float> {
    var x = input
    if let inputQuantizer { x = withoutGradients { inputQuantizer(Variable(input)).value } }
    return taskProduct(with: x)
  }

  /// x Ŵᵀ + b with the gradients of x and s.
  public func callAsFunction(_ input: Variable) -> Variable {
    let s = scales.variable
    guard Recording.isTraining else { return Variable(self(input.value)) }
    let x = inputQuantizer.map { $0(input) } ?? input
    let weight = weight
    guard s.isFollowed else {
      return .custom(weight.product(with: x.value, bias: bias), input: x) { gradient in
        weight.inputGradient(gradient)
      }
    }
    let (saved, wantsInput) = (x.value, x.isFollowed)
    switch base.scheme.granularity {
    case .outputChannel, .tensor:
      let y = weight.product(with: saved, bias: bias)
      return .custom(y, inputs: [x, s]) { [bias] gradient in
        [
          wantsInput ? weight.inputGradient(gradient) : nil,
          weight.rowStepSizeGradient(gradient, input: saved, output: y, bias: bias),
        ]
      }
    case .inputGroups:
      return .custom(weight.product(with: saved, bias: bias), inputs: [x, s]) { gradient in
        [
          wantsInput ? weight.inputGradient(gradient) : nil,
          weight.stepSizeGradient(gradient, input: saved),
        ]
      }
    case .outputGroups:
      return .custom(weight.product(with: saved, bias: bias), inputs: [x, s]) { gradient in
        let (dx, ds) = weight.blockGradients(gradient, input: saved)
        return [wantsInput ? dx : nil, ds]
      }
    }
  }

  /// The rows `indices` of Ŵ as floats.
  public func weightRows(_ indices: [Int32]) -> Tensor<Float> { weight.rows(indices) }

  /// Codes and zero points, which no training changes.
  public func hashFrozen(into digest: inout FrozenDigest) {
    digest.update(base.words)
    if let zeroPoints = base.zeroPoints { digest.update(zeroPoints) }
  }
}

// MARK: - Gradients

extension QuantizedMatrix {
  /// ∂L/∂s where rows have one step size each, or all the same: p = (y − b) / s, so that nothing is
  /// multiplied again unless a step size is 0.
  ///
  /// - Shapes: gradient and output [… × N], input [… × K], bias [N] or nil.
  func rowStepSizeGradient(
    _ gradient: Tensor<Float>,
    input: Tensor<Float>,
    output: Tensor<Float>,
    bias: Tensor<Float>?
  ) -> Tensor<Float> {
    let canDivide = stepSizes.elements.allSatisfy { abs($0) >= .leastNormalMagnitude }
    let p =
      canDivide
      ? bias.map { output - $0 } ?? output
      : replacing(stepSizes: .ones(stepSizes.shape)).product(with: input)
    var sums = (gradient * p).summed(to: [shape[0]])
    if canDivide { sums = sums / stepSizes.reshaped(to: [stepSizes.count]) }
    if stepSizes.count != shape[0] { sums = sums.sum(axes: [0]) }
    return sums.reshaped(to: stepSizes.shape)
  }

  /// ∂L/∂s where groups of inputs share a step size; rows of G are made and summed a few at a time.
  ///
  /// - Shapes: gradient [… × N], input [… × K], result [N × groups].
  func stepSizeGradient(_ gradient: Tensor<Float>, input: Tensor<Float>) -> Tensor<Float> {
    var x = input
    if let inputOrder { x = x.taking(inputOrder, axis: -1) }
    let layout = scheme.granularity.layout(for: shape)
    let unit = replacing(stepSizes: .ones(stepSizes.shape)).packed
    return rowSums(gradient, x, layout, count: 1) { _, rows in unit.rows(rows) }[0]
  }

  /// ∂L/∂x and ∂L/∂s where groups of outputs share a step size.
  func blockGradients(
    _ gradient: Tensor<Float>,
    input: Tensor<Float>
  ) -> (input: Tensor<Float>, stepSizes: Tensor<Float>) {
    let columns = shape[1]
    var x = input.reshaped(to: [input.count / max(columns, 1), columns])
    if let inputOrder { x = x.taking(inputOrder, axis: -1) }
    var dx = Tensor<Float>.zeros(x.shape)
    var parts: [Tensor<Float>] = []
    forEachBlock(of: gradient.reshaped(to: [x.shape[0], shape[0]])) { codes, steps, _ in
      parts.append((codes * x).sum(axes: [0], keepingDimensions: true))
      dx += codes * steps
    }
    if let placesOfInputs { dx = dx.taking(placesOfInputs, axis: -1) }
    return (dx.reshaped(to: input.shape), .concatenating(parts, axis: 0))
  }
}

/// Σ over each group of the columns of G ⊙ V, G = gradientᵀ · input, for several V; a few rows at a
/// time, so that neither G nor any V ever exists as a whole.
///
/// - Shapes: gradient [… × N], input [… × K], the rows of V number `index` that `values` gives
///   [rows × K], each of the `count` results [N × columnGroups].
func rowSums(
  _ gradient: Tensor<Float>,
  _ input: Tensor<Float>,
  _ layout: GroupLayout,
  count: Int,
  values: (_ index: Int, _ rows: [Int32]) -> Tensor<Float>
) -> [Tensor<Float>] {
  let (rows, columns) = (layout.rowCount, layout.columnCount)
  let x = input.reshaped(to: [input.count / max(columns, 1), columns])
  let dy = gradient.reshaped(to: [x.shape[0], rows])
  let step = max(elementsOfRows / max(columns, 1), 1)
  var parts = [[Tensor<Float>]](repeating: [], count: count)
  for start in stride(from: 0, to: rows, by: step) {
    let range = start..<min(start + step, rows)
    let g = dy.sliced(range, axis: 1).matmul(x, transposingSelf: true)
    let indices = range.map { Int32($0) }
    for index in 0..<count {
      parts[index].append(layout.rowSums(of: g, times: values(index, indices)))
    }
  }
  return parts.map { .concatenating($0, axis: 0) }
}

/// The elements of G that exist at a time: 1 MiB.
private let elementsOfRows = 1 << 18
