/// Layers one after another.
///
///     let model = Sequential(
///       Linear(inputWidth: 784, outputWidth: 128, using: &generator),
///       Activation.relu,
///       Linear(inputWidth: 128, outputWidth: 10, using: &generator)
///     )
///
/// Parameters are named by the layer's index: `0.weight`, `2.weight`. Every linear layer and
/// convolution in it may be replaced.
public final class Sequential: Layer, LayerList {
  /// The layers in order.
  public var layers: [any Layer]

  /// The layers of a list, in order.
  public init(_ layers: [any Layer]) { self.layers = layers }

  /// The given layers, in order.
  public init(_ layers: any Layer...) { self.layers = layers }

  /// What the last layer makes of what the one before it makes, and so on.
  public func callAsFunction(_ input: Variable) -> Variable {
    layers.reduce(input) { value, layer in layer(value) }
  }

  /// Names the layers by their index.
  public func visitParameters(_ visitor: ModuleVisitor) {
    for (index, layer) in layers.enumerated() { visitor.visit("\(index)", layer as? any Module) }
  }

  func replace(_ name: String, with layer: any Layer) -> Bool {
    guard let index = Int(name), layers.indices.contains(index), "\(index)" == name else {
      return false
    }
    layers[index] = layer
    return true
  }
}
