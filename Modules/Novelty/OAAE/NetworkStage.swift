import Autograd
import Tensor

/// A layer, batch normalization and an activation.
final class NetworkStage: Module {
  let layer: any Layer
  let norm: BatchNorm?
  let activation: Activation?

  init(_ layer: any Layer, norm: BatchNorm?, activation: Activation?) {
    self.layer = layer
    self.norm = norm
    self.activation = activation
  }

  func callAsFunction(_ input: Variable) -> Variable {
    var x = layer(input)
    if let norm { x = norm(x) }
    return activation?(x) ?? x
  }

  /// The stage in use: its norm is part of its layer.
  func folded() -> NetworkStage {
    guard let norm else { return self }
    let folded: any Layer
    switch layer {
    case let linear as Linear: folded = linear.folding(norm)
    case let convolution as Conv2d: folded = convolution.folding(norm)
    case let convolution as ConvTranspose2d: folded = convolution.folding(norm)
    default: return self
    }
    return NetworkStage(folded, norm: nil, activation: activation)
  }
}

/// Stages one after another, from rows to rows.
///
/// - Shapes: input [N × the product of `inputExtents`], result [N × width].
final class NetworkChain: Module {
  let stages: [NetworkStage]
  /// What the first stage takes a row for.
  let inputExtents: [Int]

  init(_ stages: [NetworkStage], inputExtents: [Int]) {
    self.stages = stages
    self.inputExtents = inputExtents
  }

  func callAsFunction(_ rows: Variable) -> Variable {
    stages.reduce(shaped(rows)) { $1($0) }.flattenedRows()
  }

  /// What every stage makes, each as rows; the last is the chain's result.
  func path(_ rows: Variable) -> [Variable] {
    var x = shaped(rows)
    return stages.map { stage in
      x = stage(x)
      return x.flattenedRows()
    }
  }

  /// The chain in use, faster: norms are part of the layers where they can be.
  func folded() -> NetworkChain {
    let chain = NetworkChain(stages.map { $0.folded() }, inputExtents: inputExtents)
    chain.eval()
    return chain
  }

  private func shaped(_ rows: Variable) -> Variable {
    inputExtents.count == 1 ? rows : rows.reshaped(to: Shape([rows.shape[0]] + inputExtents))
  }
}

extension Variable {
  fileprivate func flattenedRows() -> Variable {
    rank == 2 ? self : reshaped(to: [shape[0], shape.extents.dropFirst().reduce(1, *)])
  }
}
