import Autograd
import Tensor

/// The image branch: convolutions whose features the instruction scales and shifts.
///
///     x = GELU(conv 5×5 / 2)  →  GELU(conv 3×3 / 2)
///     x = GELU(FiLM(conv 3×3))                       FiLM(x) = x · (1 + a) + b,  (a, b) = W c
///     x = x + GELU(FiLM(conv 3×3))
///     z = LayerNorm(x + row embedding + column embedding)
///
/// - Shapes: views [P × 3 × H × W], c [P × d], z [P × S × d] with S = H/4 · W/4.
/// - Source: Perez et al. 2018, "FiLM: Visual Reasoning with a General Conditioning Layer".
final class ConditionedStem: LinearLayerOwner {
  let first: Conv2d
  let second: Conv2d
  let third: Conv2d
  let fourth: Conv2d
  var thirdFilm: any LinearLayer
  var fourthFilm: any LinearLayer
  /// [h × 1 × d].
  let rows: Parameter
  /// [1 × w × d].
  let columns: Parameter
  let norm: LayerNorm

  init(_ configuration: NativePolicyConfiguration, using generator: inout Philox) {
    let (d, widths) = (configuration.width, configuration.stemWidths)
    func convolution(_ from: Int, _ to: Int, _ side: Int, _ stride: Int) -> Conv2d {
      Conv2d(
        inputChannels: from,
        outputChannels: to,
        kernel: PlaneExtent(side),
        options: ConvolutionOptions(
          stride: PlaneExtent(stride),
          padding: PlaneExtent(side / 2)
        ),
        using: &generator
      )
    }
    first = convolution(3, widths[0], 5, 2)
    second = convolution(widths[0], widths[1], 3, 2)
    third = convolution(widths[1], d, 3, 1)
    fourth = convolution(d, d, 3, 1)
    thirdFilm = Linear(inputWidth: d, outputWidth: 2 * d, using: &generator)
    fourthFilm = Linear(inputWidth: d, outputWidth: 2 * d, using: &generator)
    let start = Initializer.normal(deviation: 0.1)
    rows = Parameter(start([configuration.gridHeight, 1, d], using: &generator))
    columns = Parameter(start([1, configuration.gridWidth, d], using: &generator))
    norm = LayerNorm(width: d)
  }

  /// The layers that may be replaced.
  static var linearLayers: [LinearLayerPath<ConditionedStem>] {
    [("thirdFilm", \.thirdFilm), ("fourthFilm", \.fourthFilm)]
  }

  /// The tokens of the grid for views and what their instructions say.
  func callAsFunction(_ views: Tensor<Float>, condition: Variable) -> Variable {
    var x = second(first(Variable(views)).gelu()).gelu()  // [P, 48, h, w]
    x = film(third(x), thirdFilm(condition)).gelu()  // [P, d, h, w]
    x = x + film(fourth(x), fourthFilm(condition)).gelu()
    let (prompts, width) = (x.shape[0], x.shape[1])
    let cells = x.shape[2] * x.shape[3]
    let grid = x.reshaped(to: [prompts, width, cells]).transposed()  // [P, S, d]
    let places = (rows.variable + columns.variable).reshaped(to: [cells, width])
    return norm(grid + places)
  }

  private func film(_ x: Variable, _ factors: Variable) -> Variable {
    let (prompts, width) = (x.shape[0], x.shape[1])
    let parts = factors.reshaped(to: [prompts, 2 * width, 1, 1]).split(count: 2, axis: 1)
    return x * (parts[0] + 1) + parts[1]
  }
}
