import Autograd
import Federated
import ModelSupport
import Quantization
import Support
import Tensor
import Transformer

/// A quantized model with step sizes to train.
struct TunedBase {
  let model: DecoderModel
  let layers: ScaleTunedLayers

  /// Builds the model of a folder.
  ///
  /// - Throws: `CommandFailure` where it has no step sizes; what reading throws.
  init(_ file: ModelFile) throws {
    guard file.pretrained.configuration.isCausal else {
      throw CommandFailure("\(file.path) is an encoder; only decoders are tuned")
    }
    model = try file.makeModel()
    guard try model.usePEQA(where: { $0.hasPrefix("blocks.") }) > 0 else {
      throw CommandFailure(
        "\(file.path) (\(file.method)) has no step sizes to tune; make a base with "
          + "'apus-quantize run MODEL --scheme W4G64 --output BASE'"
      )
    }
    let names = file.layerNames
    layers = try ScaleTunedLayers(of: model) { names[$0] ?? $0 }
  }

  private static func name(_ entry: ScaleTunedLayers.Entry) -> String { entry.name + ".scale" }

  /// The step sizes and their names.
  var parameters: ParameterSet {
    ParameterSet(layers.entries.map { (Self.name($0), $0.layer.scales.value) })
  }

  /// The parameters by name, to be trained.
  func visit(_ visitor: ModuleVisitor) {
    for entry in layers.entries { visitor.visit(Self.name(entry), entry.layer.scales) }
  }

  /// What the planner needs to know: nothing is cut, and each step size multiplies a group of weights.
  func description(length: Int) throws -> ModelDescription {
    var (parameters, products) = ([ParameterDescription](), [LayerDescription]())
    for entry in layers.entries {
      let (name, layer) = (Self.name(entry), entry.layer)
      let shape = layer.scales.value.shape
      parameters.append(ParameterDescription(name, axes: shape.extents.map { .whole($0) }))
      let weights = layer.inputWidth * layer.outputWidth
      products.append(
        LayerDescription(
          [name],
          work: .product,
          positions: length * max(weights / max(shape.count, 1), 1),
          output: .whole(layer.outputWidth)
        )
      )
    }
    return try ModelDescription(groups: [], parameters: parameters, layers: products)
  }

  /// The tuned step sizes as a task of the base.
  ///
  /// - Throws: `FederatedError` where a tensor is missing or has another shape.
  func adapter(
    of parameters: ParameterSet,
    task: String,
    rounds: Int
  ) throws(FederatedError) -> ScaleAdapter {
    for entry in layers.entries {
      let tensor = try parameters.tensor(Self.name(entry))
      let expected = entry.layer.scales.value.shape
      guard tensor.shape == expected else {
        throw .shapeMismatch(name: Self.name(entry), expected: expected, found: tensor.shape)
      }
      entry.layer.scales.value = tensor
    }
    return layers.adapter(task: task, step: rounds)
  }
}
