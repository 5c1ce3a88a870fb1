public import Tensor

/// Where a model takes its weights from, by the names of its family.
///
/// A dense checkpoint, a GGUF file and a quantized checkpoint are sources; the model that is built
/// from one does not know which.
public protocol WeightSource {
  /// Whether the source holds a tensor of that name.
  func contains(_ name: String) -> Bool

  /// A tensor of floats, such as the scale of a norm; throws if it is missing or shaped otherwise.
  func tensor(_ name: String, shape: Shape) throws -> Tensor<Float>

  /// The linear layer whose weight is `name` + ".weight", [outputWidth × inputWidth], with the bias
  /// `name` + ".bias" where `hasBias` says so; throws if one is missing or shaped otherwise.
  func linear(
    _ name: String,
    outputWidth: Int,
    inputWidth: Int,
    hasBias: Bool
  ) throws -> any LinearLayer

  /// A parameter that is no linear map: the scale of a norm, a table of positions.
  ///
  /// - Parameters:
  ///   - name: the tensor.
  ///   - shape: its extents.
  ///   - initial: what a source that makes weights starts from; sources that load ignore it.
  /// - Returns: the parameter; one that is loaded is frozen unless the source says otherwise.
  /// - Throws: what the source throws if the tensor is missing or shaped otherwise.
  func parameter(_ name: String, shape: Shape, initial: Initializer) throws -> Parameter
}

extension WeightSource {
  /// The frozen parameter over `tensor(name)`.
  public func parameter(
    _ name: String,
    shape: Shape,
    initial: Initializer
  ) throws -> Parameter {
    Parameter(try tensor(name, shape: shape), isTrainable: false)
  }
}
