import Autograd
import Checkpoints
public import Foundation
import Tensor

/// Low-rank adapters as the peft library lays them out: `adapter_config.json` and
/// `adapter_model.safetensors`.
///
/// The tensors are `base_model.model.LAYER.lora_A.weight` [r × K] and `….lora_B.weight` [N × r] with
/// the family's name of the layer: `model.layers.0.self_attn.q_proj`. Families whose files hold
/// several layers in one matrix (GPT-2's `c_attn`) are refused: an adapter of that matrix is none of
/// the layers.
public enum LowRankAdapterFolder {
  private static let configurationName = "adapter_config.json"
  private static let tensorsName = "adapter_model.safetensors"
  private static let prefix = "base_model.model."

  /// Writes the adapters of a model to a folder, which appears complete or not at all.
  ///
  /// - Parameters:
  ///   - model: a model with adapters of one rank and α.
  ///   - baseModel: the folder or the name of the model without them.
  ///   - task: the task's name, kept beside the tensors where peft does not look; nil for none.
  ///   - folder: where they go; must not exist, or be empty, unless `replacing`.
  ///   - replacing: whether an existing folder is replaced.
  /// - Throws: `LowRankAdapterError`, `CheckpointError`.
  public static func write(
    _ model: DecoderModel,
    baseModel: String,
    task: String? = nil,
    to folder: URL,
    replacing: Bool = false
  ) throws {
    let path = folder.path(percentEncoded: false)
    try check(model.configuration, path)
    let adapters = model.lowRankAdapters
    guard let first = adapters.first else { throw LowRankAdapterError.noLayers(known: []) }
    for (other, layer) in adapters
    where layer.rank != first.layer.rank || layer.alpha != first.layer.alpha {
      throw LowRankAdapterError.mixedAdapters(layers: [first.path, other])
    }
    let target = try AtomicFolder(path: path, replacing: replacing)
    var items: [SafetensorsItem] = []
    for (path, layer) in adapters {
      let name = prefix + model.familyName(path)
      items.append(SafetensorsItem(name + ".lora_A.weight", layer.down.value))
      items.append(SafetensorsItem(name + ".lora_B.weight", layer.up.value))
    }
    var metadata = ["format": "pt"]
    metadata["task"] = task
    try SafetensorsFile.write(items, metadata: metadata, to: target.file(tensorsName))
    let document = document(first.layer, targets: targets(model, adapters.map(\.path)), baseModel)
    try AtomicFile.write(
      JSONValue.object(document).serialized(pretty: true) + "\n",
      to: target.file(configurationName)
    )
    try target.commit()
  }

  /// Freezes a model and puts the adapters of a folder beside its layers, to be used or trained on.
  ///
  /// - Parameters:
  ///   - folder: what `write` or peft has written.
  ///   - model: the model that they were made for, without adapters.
  /// - Returns: the paths of the adapted layers, in execution order.
  /// - Throws: `LowRankAdapterError`, `CheckpointError`; the model is then as before.
  @discardableResult
  public static func load(_ folder: URL, into model: DecoderModel) throws -> [String] {
    let path = folder.appending(path: configurationName).path(percentEncoded: false)
    try check(model.configuration, path)
    let settings = try AdapterSettings(path)
    let file = try SafetensorsFile(
      path: folder.appending(path: tensorsName).path(percentEncoded: false),
      mode: .inMemory
    )
    let layers = model.blockLayers
    let known = Dictionary(
      layers.map { (model.familyName($0.path), $0.path) },
      uniquingKeysWith: { first, _ in first }
    )
    let chosen = Set(try file.names.map { try layerPath($0, known, file.path) })
    guard !chosen.isEmpty else { throw LowRankAdapterError.noLayers(known: model.targetNames) }
    var matrices: [String: (down: Tensor<Float>, up: Tensor<Float>)] = [:]
    for (path, layer) in layers where chosen.contains(path) {
      guard !(layer is LowRankLinear) else {
        throw LowRankAdapterError.alreadyAdapted(layer: path)
      }
      let name = prefix + model.familyName(path)
      let down: Tensor<Float> = try file.tensor(
        named: name + ".lora_A.weight",
        shape: [settings.rank, layer.inputWidth]
      )
      let up: Tensor<Float> = try file.tensor(
        named: name + ".lora_B.weight",
        shape: [layer.outputWidth, settings.rank]
      )
      guard [down, up].allSatisfy(isFinite) else {
        throw LowRankAdapterError.unsupported(
          path: file.path,
          reason: "the adapter of '\(model.familyName(path))' holds a number that is not finite"
        )
      }
      matrices[path] = (down, up)
    }
    model.freeze()
    var adapted: [String: any LinearLayer] = [:]
    for (path, layer) in layers {
      guard let (down, up) = matrices[path] else { continue }
      adapted[path] = LowRankLinear(
        layer,
        down: Parameter(down),
        up: Parameter(up),
        alpha: settings.alpha
      )
    }
    model.replaceBlockLayers(with: adapted)
    return layers.map(\.path).filter(chosen.contains)
  }

  /// What a folder says about itself, whatever model it is for.
  package struct Summary {
    package let rank: Int
    package let alpha: Float
    /// The task's name; nil where nobody gave one.
    package let task: String?
    package let layers: Int
    /// The numbers of all adapters.
    package let count: Int
  }

  /// Reads what a folder says about itself.
  ///
  /// - Throws: `LowRankAdapterError` where it could not be loaded into any model, `CheckpointError`.
  package static func summary(of folder: URL) throws -> Summary {
    let path = folder.appending(path: configurationName).path(percentEncoded: false)
    let settings = try AdapterSettings(path)
    let file = try SafetensorsFile(
      path: folder.appending(path: tensorsName).path(percentEncoded: false)
    )
    let (down, up) = (".lora_A.weight", ".lora_B.weight")
    let layers = Set(
      file.names.map { name in
        name.hasSuffix(down)
          ? String(name.dropLast(down.count))
          : name.hasSuffix(up) ? String(name.dropLast(up.count)) : name
      }
    )
    for layer in layers.sorted() {
      guard let first = file[layer + down]?.extents, let second = file[layer + up]?.extents else {
        throw LowRankAdapterError.unsupported(
          path: file.path,
          reason: "'\(layer)' has not both of \(down.dropFirst()) and \(up.dropFirst())"
        )
      }
      guard first.count == 2, second.count == 2, first[0] == settings.rank,
        second[1] == settings.rank
      else {
        throw LowRankAdapterError.unsupported(
          path: file.path,
          reason: "'\(layer)' has tensors of \(first) and \(second), its rank is \(settings.rank)"
        )
      }
    }
    guard !layers.isEmpty else {
      throw LowRankAdapterError.unsupported(path: file.path, reason: "there are no adapters")
    }
    return Summary(
      rank: settings.rank,
      alpha: settings.alpha,
      task: file.metadata["task"],
      layers: layers.count,
      count: file.names.reduce(0) { $0 + (file[$1]?.extents.reduce(1, *) ?? 0) }
    )
  }

  /// Stops unless adapters of such a model can be written: worth asking before they are trained.
  ///
  /// - Throws: `LowRankAdapterError.unsupported`, which names `path`.
  package static func check(_ configuration: TransformerConfiguration, _ path: String) throws {
    let family = configuration.family
    guard family.names.conv1D.isEmpty else {
      throw LowRankAdapterError.unsupported(
        path: path,
        reason: "queries, keys and values of \(family.rawValue) are one matrix in its files and "
          + "three layers here, and peft's adapters for that matrix do not fit them; train all weights, or "
          + "the scales of codes"
      )
    }
  }

  private static func isFinite(_ tensor: Tensor<Float>) -> Bool {
    tensor.withUnsafeElements { $0.allSatisfy(\.isFinite) }
  }

  /// The path of the layer that a tensor belongs to.
  private static func layerPath(
    _ name: String,
    _ known: [String: String],
    _ file: String
  ) throws -> String {
    for suffix in [".lora_A.weight", ".lora_B.weight"]
    where name.hasPrefix(prefix) && name.hasSuffix(suffix) {
      let layer = String(name.dropFirst(prefix.count).dropLast(suffix.count))
      if let path = known[layer] { return path }
    }
    throw LowRankAdapterError.unsupported(
      path: file,
      reason: "the tensor '\(name)' is no adapter of a linear layer in the model's blocks"
    )
  }

  /// The last parts of names where all layers of such names are adapted, else whole names.
  private static func targets(_ model: DecoderModel, _ paths: [String]) -> [String] {
    func last(_ path: String) -> String {
      model.familyName(path).split(separator: ".").last.map(String.init) ?? path
    }
    let short = Set(paths.map(last))
    let all = model.blockLayers.map(\.path).filter { short.contains(last($0)) }
    return all.count == paths.count ? short.sorted() : paths.map(model.familyName)
  }

  private static func document(
    _ layer: LowRankLinear,
    targets: [String],
    _ baseModel: String
  ) -> JSONObject {
    let alpha = Double(layer.alpha)
    return [
      "alpha_pattern": [:],
      "auto_mapping": nil,
      "base_model_name_or_path": .string(baseModel),
      "bias": "none",
      "fan_in_fan_out": false,
      "inference_mode": true,
      "init_lora_weights": true,
      "layers_pattern": nil,
      "layers_to_transform": nil,
      "lora_alpha": Int64(exactly: alpha).map { .integer($0) } ?? .number(alpha),
      "lora_dropout": 0.0,
      "modules_to_save": nil,
      "peft_type": "LORA",
      "r": .integer(Int64(layer.rank)),
      "rank_pattern": [:],
      "revision": nil,
      "target_modules": .array(targets.map { .string($0) }),
      "task_type": "CAUSAL_LM",
      "use_dora": false,
      "use_rslora": false,
    ]
  }
}

/// What `adapter_config.json` says, as far as it decides what the adapters compute.
private struct AdapterSettings {
  let rank: Int
  /// α such that the product counts α/r times.
  let alpha: Float
  /// What changes the product, or trains something beside it.
  private static let unsupportedKeys = [
    "use_dora", "fan_in_fan_out", "lora_bias", "use_qalora", "use_bdlora", "alpha_pattern",
    "rank_pattern", "modules_to_save", "layer_replication", "target_parameters",
    "trainable_token_indices", "alora_invocation_tokens", "arrow_config", "kasa_config",
    "velora_config", "monteclora_config",
  ]

  init(_ path: String) throws {
    guard let object = try JSONValue.read(path).objectValue else {
      throw LowRankAdapterError.unsupported(path: path, reason: "an object is needed")
    }
    func refuse(_ reason: String) -> LowRankAdapterError {
      .unsupported(path: path, reason: reason)
    }
    guard object["peft_type"]?.stringValue == "LORA" else {
      throw refuse("'peft_type' is \((object["peft_type"] ?? .null).serialized()), not \"LORA\"")
    }
    guard let rank = object["r"]?.intValue, (1...65536).contains(rank),
      let alpha = object["lora_alpha"]?.doubleValue, alpha.isFinite
    else { throw refuse("'r' and 'lora_alpha' must be numbers, r at least 1") }
    guard object["bias"].map({ $0.stringValue == "none" || $0.isNull }) ?? true else {
      throw refuse("'bias' is not \"none\": trained biases are not supported")
    }
    for key in Self.unsupportedKeys {
      let value = object[key] ?? .null
      let isEmpty = value.isNull || value == false || value.arrayValue?.isEmpty ?? false
      guard isEmpty || value.objectValue?.isEmpty ?? false else {
        throw refuse("'\(key)' is \(value.serialized()), which is not supported")
      }
    }
    // These starts take a part out of the base's weights, which the folder does not hold.
    if let start = object["init_lora_weights"]?.stringValue?.lowercased(),
      ["pissa", "olora", "corda", "loftq", "lora_ga"].contains(where: start.hasPrefix)
    {
      throw refuse(
        "'init_lora_weights' is \"\(start)\", which changed the base model; convert the adapter with "
          + "peft"
      )
    }
    self.rank = rank
    // Kalajdzievski 2023, "A Rank Stabilization Scaling Factor": α/√r instead of α/r.
    let isStabilized = object["use_rslora"]?.boolValue == true
    self.alpha = Float(isStabilized ? alpha * Double(rank).squareRoot() : alpha)
  }
}
