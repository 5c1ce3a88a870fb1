public import Autograd
public import Tensor

/// The SwiGLU feed-forward network.
///
///     y = (silu(x W_gateᵀ) ⊙ x W_upᵀ) W_downᵀ
///
/// - Shapes: x and y [T × D]; W_gate and W_up [F × D]; W_down [D × F].
/// - Source: Shazeer 2020, "GLU Variants Improve Transformer", equation 6.
public final class GatedFeedForward: LinearLayerOwner {
  /// W_gate [F × D].
  public var gate: any LinearLayer
  /// W_up [F × D].
  public var up: any LinearLayer
  /// W_down [D × F].
  public var down: any LinearLayer

  /// The three projections.
  public static var linearLayers: [LinearLayerPath<GatedFeedForward>] {
    [("gate", \.gate), ("up", \.up), ("down", \.down)]
  }

  /// A network over three projections.
  public init(gate: any LinearLayer, up: any LinearLayer, down: any LinearLayer) {
    self.gate = gate
    self.up = up
    self.down = down
  }

  /// y for the rows of x.
  public func callAsFunction(_ input: Tensor<Float>) -> Tensor<Float> {
    down(gate(input).gated(.silu, by: up(input)))
  }
}
