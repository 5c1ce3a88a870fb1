public import Autograd

/// Where a transformer normalizes around a module F, which is attention or the feed-forward network.
///
/// Source: Kim et al. 2025, "Peri-LN: Revisiting Normalization Layer in the Transformer
/// Architecture", section 3; output norms alone: OLMo 2.
public enum NormPlacement: String, CaseIterable, Codable, Hashable, Sendable {
  /// y = Norm(x + F(x)): the stream keeps its variance, gradients fade with depth.
  case post
  /// y = x + F(Norm(x)): nothing bounds what F adds to the stream.
  case pre
  /// y = x + Norm(F(Norm(x))): F reads and writes at the scale of its norms.
  case peri
  /// y = x + Norm(F(x)): F writes at the scale of its norm, but reads the growing stream.
  case output

  /// The norms in front of the module, as `ResidualStep` names them.
  var normsBefore: [String] {
    switch self {
    case .pre, .peri: ["in_norm"]
    case .post, .output: []
    }
  }

  /// The norms behind the module.
  var normsAfter: [String] {
    switch self {
    case .peri, .output: ["out_norm"]
    case .post: ["post_norm"]
    case .pre: []
    }
  }
}

/// The norms around one module, and the residual step through them.
///
/// Parameters are named `in_norm`, `out_norm` and `post_norm`; a placement has those that it needs.
public final class ResidualStep: Module {
  /// Where the norms stand.
  public let placement: NormPlacement
  /// The norm of what the module reads; pre and peri.
  public let input: (any NormLayer)?
  /// The norm of what the module writes; peri and output.
  public let output: (any NormLayer)?
  /// The norm of the sum; post.
  public let sum: (any NormLayer)?

  /// A step whose norms start at weight 1.
  ///
  /// - Parameters:
  ///   - placement: where the norms stand.
  ///   - norm: which norms they are.
  ///   - width: D, the width of the stream.
  ///   - epsilon: ε of the norms.
  public convenience init(
    _ placement: NormPlacement,
    norm: NormKind,
    width: Int,
    epsilon: Float = 1e-5
  ) {
    self.init(placement) { _ in norm.layer(width: width, epsilon: epsilon) }
  }

  /// A step with norms that `make` builds, by the names `in_norm`, `out_norm` and `post_norm`.
  public init(
    _ placement: NormPlacement,
    make: (_ name: String) throws -> any NormLayer
  ) rethrows {
    self.placement = placement
    let names = placement.normsBefore + placement.normsAfter
    input = names.contains("in_norm") ? try make("in_norm") : nil
    output = names.contains("out_norm") ? try make("out_norm") : nil
    sum = names.contains("post_norm") ? try make("post_norm") : nil
  }

  /// Names the norms for checkpoints.
  public func visitParameters(_ visitor: ModuleVisitor) {
    visitor.visit("in_norm", input)
    visitor.visit("out_norm", output)
    visitor.visit("post_norm", sum)
  }

  /// The stream after the module; x and result [… × D].
  public func callAsFunction(_ x: Variable, _ module: (Variable) -> Variable) -> Variable {
    let written = module(input?(x) ?? x)
    let y = x + (output?(written) ?? written)
    return sum?(y) ?? y
  }
}
