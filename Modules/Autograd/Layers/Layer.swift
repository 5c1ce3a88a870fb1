public import Tensor

/// A differentiable function of one value: what `Sequential` chains.
///
/// Layers with parameters are modules too; those without (`Activation`, `Flatten`, pooling) are
/// values.
public protocol Layer {
  /// The layer's result, on the tape where a gradient is wanted.
  func callAsFunction(_ input: Variable) -> Variable
}

extension Layer {
  /// The layer's result for use: nothing is recorded.
  public func callAsFunction(_ input: Tensor<Float>) -> Tensor<Float> {
    withoutGradients { self(Variable(input)).value }
  }
}

/// A module that holds layers in a list, of which each may be replaced.
protocol LayerList: Module {
  /// Puts another layer at a path below the module; false when there is no layer or it does not fit.
  func replace(_ name: String, with layer: any Layer) -> Bool
}
