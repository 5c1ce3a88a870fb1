public import Autograd
public import Tensor

/// The network inside a block that treats each position on its own.
public protocol FeedForward: Module {
  /// W_down [D × F], which writes the result.
  var down: any LinearLayer { get set }
  /// What `down` reads; x [R × D], result [R × F].
  func hidden(_ x: Variable) -> Variable
}

/// The gated network: SwiGLU, GEGLU and their kin.
///
///     y = (f(x W_gateᵀ) ⊙ x W_upᵀ) W_downᵀ
///
/// - Shapes: x and y [R × D]; W_gate and W_up [F × D]; W_down [D × F].
/// - Source: Shazeer 2020, "GLU Variants Improve Transformer", equation 6.
public final class GatedFeedForward: LinearLayerOwner, FeedForward {
  /// W_gate [F × D].
  public var gate: any LinearLayer
  /// W_up [F × D].
  public var up: any LinearLayer
  /// W_down [D × F].
  public var down: any LinearLayer
  /// f.
  public let function: GateFunction

  /// The three projections.
  public static var linearLayers: [LinearLayerPath<GatedFeedForward>] {
    [("gate", \.gate), ("up", \.up), ("down", \.down)]
  }

  /// A network over three projections.
  public init(
    gate: any LinearLayer,
    up: any LinearLayer,
    down: any LinearLayer,
    function: GateFunction = .silu
  ) {
    (self.gate, self.up, self.down) = (gate, up, down)
    self.function = function
  }

  /// f(x W_gateᵀ) ⊙ x W_upᵀ.
  public func hidden(_ x: Variable) -> Variable {
    let made = InterleavedLinear.outputs(of: x, by: [gate, up])
    return made[0].gated(function, by: made[1])
  }
}

/// The network of two layers.
///
///     y = f(x W_upᵀ) W_downᵀ
///
/// - Shapes: x and y [R × D]; W_up [F × D]; W_down [D × F].
/// - Source: Vaswani et al. 2017, equation 2.
public final class PlainFeedForward: LinearLayerOwner, FeedForward {
  /// W_up [F × D].
  public var up: any LinearLayer
  /// W_down [D × F].
  public var down: any LinearLayer
  /// f.
  public let function: GateFunction

  /// The two projections.
  public static var linearLayers: [LinearLayerPath<PlainFeedForward>] {
    [("up", \.up), ("down", \.down)]
  }

  /// A network over two projections.
  public init(up: any LinearLayer, down: any LinearLayer, function: GateFunction) {
    (self.up, self.down) = (up, down)
    self.function = function
  }

  /// f(x W_upᵀ).
  public func hidden(_ x: Variable) -> Variable {
    let x = up(x)
    return switch function {
    case .relu: x.relu()
    case .gelu: x.gelu()
    case .geluTanh: x.gelu(.tanh)
    case .silu: x.silu()
    case .sigmoid: x.sigmoid()
    }
  }
}
