import Autograd
public import Checkpoints
public import Foundation
public import Tensor

/// Writes models as Hugging Face folders: config.json, model.safetensors and the documents beside.
public enum ModelFolder {
  /// Writes the tensors of a model, under its family's names, to a folder that appears complete or
  /// not at all.
  ///
  /// - Parameters:
  ///   - configuration: the shape; it becomes config.json.
  ///   - documents: files beside it, by name: tokenizer.json and its like.
  ///   - type: how numbers are stored: float32, float16 or bfloat16.
  ///   - folder: where the model goes; must not exist, or be empty, unless `replacing`.
  ///   - replacing: whether an existing folder is replaced, once the new one is complete.
  ///   - extra: keys of config.json beside the configuration's: `eos_token_id` and its like.
  ///   - tensor: the tensor of a specification.
  /// - Throws: `CheckpointError`, or what `tensor` throws.
  public static func write(
    _ configuration: TransformerConfiguration,
    documents: [String: Data] = [:],
    as type: ElementType = .float32,
    to folder: URL,
    replacing: Bool = false,
    extra: JSONObject = [:],
    tensor: (TensorSpecification) throws -> Tensor<Float>
  ) throws {
    let target = try AtomicFolder(path: folder.path(percentEncoded: false), replacing: replacing)
    for (name, data) in documents { try AtomicFile.write(data, to: target.file(name)) }
    var document = configuration.document(elementType: type.rawValue)
    for (key, value) in extra where document[key] == nil { document[key] = value }
    try AtomicFile.write(
      JSONValue.object(document).serialized(pretty: true) + "\n",
      to: target.file("config.json")
    )
    let stored = StoredTensor.all(configuration)
    let writer = try SafetensorsWriter(
      path: target.file("model.safetensors"),
      tensors: stored.map {
        SafetensorsDeclaration(name: $0.name, type: SafetensorsType(type), shape: $0.shape)
      },
      metadata: ["format": "pt"]
    )
    for item in stored {
      let value = item.joined(try item.parts.map(tensor))
      switch type {
      case .float16: try writer.write(Tensor<Float16>(converting: value), named: item.name)
      case .bfloat16: try writer.write(Tensor<BFloat16>(converting: value), named: item.name)
      default: try writer.write(value, named: item.name)
      }
    }
    try writer.finish()
    try target.commit()
  }
}

/// A tensor as a family's files hold it: mostly one of the model, in GPT-2 several side by side.
private struct StoredTensor {
  var name: String
  var shape: Shape
  var parts: [TensorSpecification]
  var isTransposed = false

  static func all(_ configuration: TransformerConfiguration) -> [StoredTensor] {
    let names = configuration.family.names
    var stored: [StoredTensor] = []
    var indices: [String: Int] = [:]
    for tensor in configuration.tensors {
      guard let name = fusedName(tensor.name, names) else {
        stored.append(StoredTensor(name: tensor.name, shape: tensor.shape, parts: [tensor]))
        continue
      }
      if let index = indices[name] {
        stored[index].parts.append(tensor)
      } else {
        indices[name] = stored.count
        stored.append(
          StoredTensor(name: name, shape: tensor.shape, parts: [tensor], isTransposed: true)
        )
      }
    }
    for index in stored.indices where stored[index].isTransposed {
      let rows = stored[index].parts.reduce(0) { $0 + $1.shape[0] }
      let rest = stored[index].shape.extents.dropFirst()
      stored[index].shape = Shape(rest + [rows])
    }
    return stored
  }

  private static func fusedName(_ name: String, _ names: TensorNames) -> String? {
    guard let dot = name.lastIndex(of: ".") else { return nil }
    for (stored, parts) in names.conv1D {
      for part in parts where name[..<dot].hasSuffix("." + part) {
        return name[..<dot].dropLast(part.count) + stored + name[dot...]
      }
    }
    return nil
  }

  func joined(_ tensors: [Tensor<Float>]) -> Tensor<Float> {
    let joined = tensors.count == 1 ? tensors[0] : Tensor.concatenating(tensors)
    return isTransposed && joined.rank == 2 ? joined.transposed() : joined
  }
}

extension PretrainedModel {
  /// Writes the model as a Hugging Face folder: other tools read what came as GGUF.
  ///
  /// - Parameters:
  ///   - folder: where it goes; must not exist, or be empty, unless `replacing`.
  ///   - type: how numbers are stored.
  ///   - replacing: whether an existing folder is replaced.
  /// - Throws: `CheckpointError`, `ModelError` for a quantized model.
  public func save(to folder: URL, as type: ElementType = .float32, replacing: Bool = false) throws
  {
    guard quantization == nil else {
      throw ModelError.invalidConfiguration(
        path: path,
        key: "quantization_config",
        reason: "is present: the packed weights are no tensors of the family"
      )
    }
    try checkTensors()
    try save(to: folder, as: type, replacing: replacing) { try catalog.floats($0.name) }
  }

  /// Writes the model as a Hugging Face folder with numbers from elsewhere: the weights that packed
  /// layers stand for, which the catalog does not hold.
  ///
  /// - Parameters:
  ///   - folder: where it goes; must not exist, or be empty, unless `replacing`.
  ///   - type: how numbers are stored.
  ///   - replacing: whether an existing folder is replaced.
  ///   - tensor: the numbers of a tensor.
  /// - Throws: `CheckpointError`, or what `tensor` throws.
  public func save(
    to folder: URL,
    as type: ElementType,
    replacing: Bool = false,
    tensor: (TensorSpecification) throws -> Tensor<Float>
  ) throws {
    var extra: JSONObject = [:]
    for key in ["bos_token_id", "eos_token_id", "pad_token_id"] {
      extra[key] = configurationDocument[key]
    }
    try ModelFolder.write(
      configuration,
      documents: documents,
      as: type,
      to: folder,
      replacing: replacing,
      extra: extra,
      tensor: tensor
    )
  }

  /// Writes a model that was made from this one and has changed since: tuned, or with adapters, which
  /// are merged.
  ///
  /// - Parameters:
  ///   - model: the model.
  ///   - folder: where it goes; must not exist, or be empty, unless `replacing`.
  ///   - type: how numbers are stored.
  ///   - replacing: whether an existing folder is replaced.
  /// - Throws: `CheckpointError`.
  public func save(
    _ model: DecoderModel,
    to folder: URL,
    as type: ElementType = .float32,
    replacing: Bool = false
  ) throws {
    try save(to: folder, as: type, replacing: replacing, tensor: model.denseTensors())
  }
}

extension DecoderModel {
  /// Writes a model as a Hugging Face folder: packed layers as the numbers that they stand for,
  /// low-rank adapters merged into their layers.
  ///
  /// - Parameters:
  ///   - folder: where it goes; must not exist, or be empty, unless `replacing`.
  ///   - documents: files beside the tensors, by name: tokenizer.json and its like.
  ///   - type: how numbers are stored: float32 or bfloat16.
  ///   - replacing: whether an existing folder is replaced.
  /// - Throws: `CheckpointError`.
  public func save(
    to folder: URL,
    documents: [String: Data] = [:],
    as type: ElementType = .float32,
    replacing: Bool = false
  ) throws {
    try ModelFolder.write(
      configuration,
      documents: documents,
      as: type,
      to: folder,
      replacing: replacing,
      tensor: denseTensors()
    )
  }

  /// Finds the numbers of each tensor: those of a parameter, or what a linear layer stands for.
  fileprivate func denseTensors() -> (TensorSpecification) -> Tensor<Float> {
    var values: [String: Tensor<Float>] = [:]
    for entry in namedParameters() {
      for name in [entry.name] + entry.aliases { values[name] = entry.parameter.value }
    }
    let layers = Dictionary(
      namedLinearLayers().map { ($0.name, $0.layer) },
      uniquingKeysWith: { first, _ in first }
    )
    return { tensor in
      if let value = values[tensor.path] { return value }
      let (path, isBias) = (tensor.path.split(separator: "."), tensor.path.hasSuffix(".bias"))
      guard let layer = layers[path.dropLast().joined(separator: ".")] else {
        preconditionFailure("save: \(tensor.path) is neither a parameter nor of a linear layer")
      }
      return isBias ? layer.denseBias() : layer.denseWeight()
    }
  }
}
