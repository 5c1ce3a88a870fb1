import Autograd
import Tensor

/// A module of hidden layers whose activations may be scaled in training.
///
/// A slice of width rate r sums over fewer inputs, so its activations are about r times as large as
/// the whole model's; HeteroFL multiplies them by 1/r before the norm.
protocol ScaledLayer: Module {
  func callAsFunction(_ input: Variable, scale: Float) -> Variable
}

extension Variable {
  /// The value times `scale`, itself for 1.
  func scaled(by scale: Float) -> Variable {
    scale == 1 ? self : self * scale
  }
}

/// Linear layers with ReLU between them: `layers.0.weight`, `layers.0.bias`, `layers.1.weight` …
final class PerceptronBody: ScaledLayer {
  let layers: [Linear]

  init(layers: [Linear]) { self.layers = layers }

  convenience init(widths: [Int], using generator: inout Philox) {
    var layers: [Linear] = []
    for (input, output) in zip(widths, widths.dropFirst()) {
      layers.append(Linear(inputWidth: input, outputWidth: output, using: &generator))
    }
    self.init(layers: layers)
  }

  convenience init(shapes: [String: Shape]) throws(FederatedTaskError) {
    var layers: [Linear] = []
    while let shape = shapes["layers.\(layers.count).weight"] {
      let name = "layers.\(layers.count)"
      guard shape.rank == 2, shapes["\(name).bias"] == [shape[0]],
        layers.last.map({ $0.outputWidth == shape[1] }) ?? true
      else { throw .shapes("\(name): a weight \(shape) does not follow what is before it") }
      layers.append(Linear(weight: .zeros(shape), bias: .zeros([shape[0]])))
    }
    guard !layers.isEmpty, shapes.count == 2 * layers.count else {
      throw .shapes("\(shapes.keys.sorted()) are not the layers of a perceptron")
    }
    self.init(layers: layers)
  }

  func callAsFunction(_ input: Variable, scale: Float) -> Variable {
    var x = input
    for (index, layer) in layers.enumerated() {
      x = layer(x)
      if index + 1 < layers.count { x = x.scaled(by: scale).relu() }
    }
    return x
  }
}

extension Parameter {
  static func zeros(_ shape: Shape) -> Parameter { Parameter(.zeros(shape)) }
}
