public import Tensor

/// Linear layers with an activation between them: a multilayer perceptron.
///
///     MLP(widths: [784, 256, 10], activation: .gelu, dropout: 0.1, using: &generator)
///
/// Each layer but the last is followed by the activation and, if there is one, by dropout.
/// Parameters are named `layers.0.weight`, `layers.0.bias`, `layers.1.weight` and so on, whatever
/// the activation and the dropout; every layer may be replaced.
///
/// - Shapes: x [… × first width], result [… × last width].
public final class MLP: Layer, LayerList {
  /// The linear layers in order.
  public private(set) var layers: [any LinearLayer]
  /// What follows each layer but the last.
  public let activation: Activation
  /// What follows the activation; nil for nothing.
  public let dropout: Dropout?

  /// A network over given layers; each takes what the one before it gives.
  public init(
    layers: [any LinearLayer],
    activation: Activation = .relu,
    dropout: Dropout? = nil
  ) {
    expect(!layers.isEmpty, "mlp: at least one layer is needed")
    for (index, (layer, next)) in zip(layers, layers.dropFirst()).enumerated() {
      expect(
        layer.outputWidth == next.inputWidth,
        "mlp: layers \(index) and \(index + 1) do not fit, "
          + "[\(layer.outputWidth) × \(layer.inputWidth)] · [\(next.outputWidth) × \(next.inputWidth)]"
      )
    }
    self.layers = layers
    self.activation = activation
    self.dropout = dropout
  }

  /// A network that starts from random numbers, each layer as `Linear` does.
  ///
  /// - Parameters:
  ///   - widths: of the input, of what lies between, and of the output: at least two.
  ///   - activation: what follows each layer but the last.
  ///   - dropout: the rate of dropout after each activation; 0 for none.
  ///   - hasBias: whether the layers have biases.
  ///   - generator: the source of the random numbers.
  public convenience init(
    widths: [Int],
    activation: Activation = .relu,
    dropout: Float = 0,
    hasBias: Bool = true,
    using generator: inout Philox
  ) {
    expect(
      widths.count > 1 && widths.allSatisfy { $0 > 0 },
      "mlp: widths of at least an input and an output are needed, found \(widths)"
    )
    var layers: [any LinearLayer] = []
    for (input, output) in zip(widths, widths.dropFirst()) {
      layers.append(
        Linear(inputWidth: input, outputWidth: output, hasBias: hasBias, using: &generator)
      )
    }
    self.init(
      layers: layers,
      activation: activation,
      dropout: dropout == 0 ? nil : Dropout(rate: dropout, using: &generator)
    )
  }

  /// What the last layer makes of the activations before it.
  public func callAsFunction(_ input: Variable) -> Variable {
    var x = layers[0](input)
    for layer in layers.dropFirst() {
      x = activation(x)
      x = layer(dropout?(x) ?? x)
    }
    return x
  }

  func replace(_ name: String, with layer: any Layer) -> Bool {
    let prefix = "layers."
    guard name.hasPrefix(prefix), let layer = layer as? any LinearLayer,
      let index = layers.indices.first(where: { "\($0)" == name.dropFirst(prefix.count) })
    else { return false }
    layers[index] = layer
    return true
  }
}
