import Autograd
import Tensor

/// Builds the parts of a model from a source, by their paths in the module.
struct ModelParts {
  let configuration: TransformerConfiguration
  let source: any WeightSource
  private let names: TensorNames

  init(_ configuration: TransformerConfiguration, source: any WeightSource) {
    self.configuration = configuration
    self.source = source
    names = configuration.family.names
  }

  func linear(
    _ path: String,
    _ outputs: Int,
    _ inputs: Int,
    _ hasBias: Bool = false
  ) throws -> any LinearLayer {
    try source.linear(
      names.layer(path),
      outputWidth: outputs,
      inputWidth: inputs,
      hasBias: hasBias
    )
  }

  func norm(_ path: String, _ width: Int) throws -> any NormLayer {
    try configuration.norm.layer(
      names.layer(path),
      width: width,
      epsilon: configuration.normEpsilon,
      from: source
    )
  }

  func table(_ path: String, _ rows: Int) throws -> Embedding {
    let weight = try source.parameter(
      names.layer(path) + ".weight",
      shape: [rows, configuration.hiddenWidth],
      initial: .normal(deviation: 0.02)
    )
    return Embedding(weight: weight)
  }
}
