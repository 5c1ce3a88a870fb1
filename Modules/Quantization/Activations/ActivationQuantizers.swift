public import Autograd
public import Tensor

/// A differentiable rounding of activations: what stands before a quantized layer.
public protocol ActivationQuantizer: Module {
  /// x̂, with the straight-through gradient of x.
  func callAsFunction(_ input: Variable) -> Variable
}

/// Rounds every token by a grid of its own, found when it comes.
///
///     ∂L/∂x = G where round(x / s) lies on the grid, else 0; s and z count as constants
///
/// - Shapes: x and x̂ [… × K].
/// - Source: Lee et al. 2025 (LRQ), per-token dynamic quantization; see `QuantizedActivations`.
public final class TokenQuantizer: ActivationQuantizer {
  /// Bits of a code.
  public let bits: Int
  /// What the codes cover.
  public let range: ActivationRange
  /// The runs with a grid of their own that a token is cut into.
  public let headCount: Int

  /// A rounding per token, or per head of a token: what an 8-bit key/value cache does to keys and
  /// values.
  public init(bits: Int = 8, range: ActivationRange = .includingZero, headCount: Int = 1) {
    (self.bits, self.range, self.headCount) = (bits, range, headCount)
  }

  /// x̂ [… × K].
  public func callAsFunction(_ input: Variable) -> Variable {
    guard input.count > 0 else { return input }
    let grid = ActivationGrid(input.value, bits: bits, range: range, headCount: headCount)
    let rounding = grid.rounding
    let runs = input.value.reshaped(to: rounding.layout.matrixShape)
    let (values, quotients) = rounding.rounded(runs)
    let shape = input.shape
    return .custom(values.reshaped(to: shape), input: input) { gradient in
      let back = rounding.gradients(
        gradient.reshaped(to: quotients.shape),
        quotients: quotients,
        of: .input
      )
      return (back.input ?? quotients).reshaped(to: shape)
    }
  }
}

/// Rounds all activations by one grid, which was found on calibration data and may be learned.
///
///     x̂ = s · clamp(round(x / s), −z, L − z)
///     ∂L/∂x = G ⊙ m      ∂L/∂s = Σ G ⊙ (q − u ⊙ m)
///
/// with u = x / s, n = round(u), q = clamp(n) and m = (−z ≤ n ≤ L − z).
///
/// - Shapes: x and x̂ [… × K]; s [1 × 1].
/// - Source: min-max over the calibration set for W8A8; the gradient of s is that of Esser et al.
///   2020, "Learned Step Size Quantization", equation 3, as QDrop and BRECQ train it (learning rate
///   4·10⁻⁵ there). Choice: without LSQ's factor 1/√(count · L), which only scales the rate.
public final class TensorQuantizer: ActivationQuantizer {
  /// Bits of a code.
  public let bits: Int
  /// z.
  public let zeroPoint: Int
  /// s [1 × 1]; frozen at first.
  public let step: Parameter

  /// The grid of values between two numbers, zero included.
  public init(minimum: Float, maximum: Float, bits: Int = 8) {
    let grid = ActivationGrid(
      Tensor([minimum, maximum], shape: [1, 2]),
      bits: bits,
      range: .includingZero,
      headCount: 1
    )
    self.bits = bits
    zeroPoint = Int(grid.zeroPoints.elements[0])
    step = Parameter(grid.stepSizes, isTrainable: false)
  }

  /// A grid that was stored: step size and zero point; nil if they are none of `bits` bits.
  init?(grid: Tensor<Float>, bits: Int) {
    let values = grid.elements
    guard values.count == 2, values[0].isFinite, values[0] > 0,
      values[1] >= 0, values[1] <= Float((1 << bits) - 1), values[1] == values[1].rounded()
    else { return nil }
    self.bits = bits
    zeroPoint = Int(values[1])
    step = Parameter(Tensor([values[0]], shape: [1, 1]), isTrainable: false)
  }

  /// Step size and zero point, [2].
  var grid: Tensor<Float> { Tensor([step.value.elements[0], Float(zeroPoint)]) }

  /// The grid of all values of a calibration set, which has one or more.
  public convenience init(calibratedOn inputs: [Tensor<Float>], bits: Int = 8) {
    let extrema = inputs.filter { $0.count > 0 }.map { $0.extrema() }
    self.init(
      minimum: extrema.map(\.minimum).min() ?? 0,
      maximum: extrema.map(\.maximum).max() ?? 0,
      bits: bits
    )
  }

  private func rounding(rows: Int, columns: Int) -> RoundingRows {
    let layout = GroupLayout(
      rowCount: rows,
      columnCount: columns,
      rowsPerGroup: rows,
      columnsPerGroup: columns
    )
    let low = Float(-zeroPoint)
    return RoundingRows(
      layout: layout,
      base: step.value,
      first: .zeros([1, 1]),
      steps: step.value,
      lows: Tensor([low], shape: [1, 1]),
      highs: Tensor([low + Float((1 << bits) - 1)], shape: [1, 1])
    )
  }

  /// x̂ [… × K].
  public func callAsFunction(_ input: Variable) -> Variable {
    guard input.count > 0 else { return input }
    let columns = input.shape.rank > 0 ? input.shape[-1] : 1
    let rounding = rounding(rows: input.count / columns, columns: columns)
    let (values, quotients) = rounding.rounded(
      input.value.reshaped(to: rounding.layout.matrixShape)
    )
    let shape = input.shape
    return .custom(
      values.reshaped(to: shape),
      inputs: [input, step.variable]
    ) { gradient in
      let back = rounding.gradients(
        gradient.reshaped(to: quotients.shape),
        quotients: quotients,
        of: .input
      )
      return [back.input?.reshaped(to: shape), back.steps]
    }
  }

  /// The codes of x.
  public func codes(of input: Tensor<Float>) -> Tensor<UInt8> {
    let width = input.shape.rank > 0 ? input.shape[-1] : 1
    let runs = input.count / max(width, 1)
    let grid = ActivationGrid(
      bits: bits,
      stepSizes: Tensor(repeating: step.value.elements[0], shape: [runs, 1]),
      zeroPoints: Tensor(repeating: Float(zeroPoint), shape: [runs, 1]),
      width: width
    )
    return grid.codes(of: input)
  }
}
