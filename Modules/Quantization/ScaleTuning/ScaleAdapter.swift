import Checkpoints
public import Tensor

/// A task of a quantized base: its scales, and which base they belong to.
///
/// A safetensors file. Scales are absolute values, not differences, so that a swap is a copy.
///
/// | tensor | method | shape |
/// |---|---|---|
/// | `<layer>.scale` | peqa | [N × K/g] for groups of inputs, [K × N/g] for groups of outputs |
/// | `<layer>.alpha` | alphatuning | [N × K/g × k], k the trained planes |
///
/// The metadata says `format` (scale-adapter), `version` (1), `method`, `base_sha256`, `task`, `step`,
/// `created_by`, and for the reader's eyes `bits`, `group` and `axis`, which are `mixed` where layers
/// differ.
///
/// The digest is of what the scales multiply: codes, zero points and offsets, and for AlphaTuning the
/// scales of the planes that the task does not train, layers in the order of their names. What a
/// quantizer leaves alone (embeddings, norms, biases) is not in it: two models that share all codes
/// and differ there take each other's tasks.
public struct ScaleAdapter: Sendable {
  /// What the scales belong to.
  public enum Method: String, Codable, Hashable, Sendable, CaseIterable {
    /// Step sizes of uniform grids.
    case peqa
    /// Scales of the first planes of binary codes.
    case alphaTuning = "alphatuning"

    var suffix: String { self == .peqa ? ".scale" : ".alpha" }
  }

  /// What the scales belong to.
  public var method: Method
  /// The task's name.
  public var task: String
  /// The steps that it was trained.
  public var step: Int
  /// The digest of the frozen base.
  public var baseDigest: String
  /// Bits, group size and axis, as text.
  public var bits: String
  /// The group size; −1 for a whole row.
  public var group: String
  /// `oc` for groups inside a row, `ic` for groups inside a column.
  public var axis: String
  /// The scales of each layer, as the file has them.
  public var scales: [String: Tensor<Float>]
  /// How the codes of the base were made of a model in full precision, in words for people; nil where nobody
  /// said.
  public var origin: String?

  /// AlphaTuning: the planes whose scales a task trains, k of the layer with most; nil for PEQA.
  public var trainedPlanes: Int? {
    guard method == .alphaTuning else { return nil }
    return scales.values.compactMap(\.shape.extents.last).max()
  }

  /// Numbers.
  public var count: Int { scales.values.reduce(0) { $0 + $1.count } }

  /// An adapter.
  public init(
    method: Method,
    task: String,
    step: Int,
    baseDigest: String,
    bits: String,
    group: String,
    axis: String,
    scales: [String: Tensor<Float>]
  ) {
    self.method = method
    self.task = task
    self.step = step
    self.baseDigest = baseDigest
    self.bits = bits
    self.group = group
    self.axis = axis
    self.scales = scales
  }
}

// MARK: - Files

extension ScaleAdapter {
  private static let format = "scale-adapter"

  /// Reads a file.
  ///
  /// - Throws: `CheckpointError` if it is no safetensors file, `ScaleAdapterError` if it is no
  ///   adapter or a scale is not finite.
  public init(path: String) throws {
    let file = try SafetensorsFile(path: path)
    func invalid(_ reason: String) -> ScaleAdapterError {
      .invalidFile(path: path, reason: reason)
    }
    let metadata = file.metadata
    guard metadata["format"] == Self.format else {
      throw invalid("is no scale adapter: its 'format' is '\(metadata["format"] ?? "missing")'")
    }
    guard metadata["version"] == "1" else {
      throw invalid("has version '\(metadata["version"] ?? "missing")', this version reads 1")
    }
    guard let method = metadata["method"].flatMap(Method.init(rawValue:)) else {
      let known = Method.allCases.map(\.rawValue).joined(separator: ", ")
      throw invalid("has the method '\(metadata["method"] ?? "missing")', not one of \(known)")
    }
    guard let digest = metadata["base_sha256"], digest.count == 64 else {
      throw invalid("does not say which base it belongs to")
    }
    self.method = method
    baseDigest = digest
    task = metadata["task"] ?? ""
    step = metadata["step"].flatMap { Int($0) } ?? 0
    (bits, group, axis) = (metadata["bits"] ?? "", metadata["group"] ?? "", metadata["axis"] ?? "")
    origin = metadata["origin"]
    scales = [:]
    for name in file.names {
      guard name.hasSuffix(method.suffix) else {
        throw invalid("holds a tensor '\(name)', which is no scale of \(method.rawValue)")
      }
      let type = try file.entry(named: name).type
      guard type == SafetensorsType(.float32) || type == SafetensorsType(.float16) else {
        throw invalid("holds '\(name)' as \(type.rawValue), not F32 or F16")
      }
      let tensor: Tensor<Float> = try file.tensor(named: name)
      guard tensor.count > 0, tensor.rank == (method == .peqa ? 2 : 3) else {
        throw invalid("holds '\(name)' of \(tensor.shape), which is no shape of scales")
      }
      guard tensor.withUnsafeElements({ $0.allSatisfy { $0.isFinite } }) else {
        throw invalid("holds a scale in '\(name)' that is not finite")
      }
      scales[String(name.dropLast(method.suffix.count))] = tensor
    }
    guard !scales.isEmpty else { throw invalid("holds no scales") }
  }

  /// Writes a file, complete or not at all.
  ///
  /// - Parameters:
  ///   - path: where.
  ///   - type: how scales are stored; half precision rounds them by up to 2⁻¹¹.
  /// - Throws: `CheckpointError`.
  public func write(to path: String, as type: ScaleType = .float32) throws {
    let names = scales.keys.sorted()
    let storage: ElementType = type == .float16 ? .float16 : .float32
    let writer = try SafetensorsWriter(
      path: path,
      tensors: names.map { name in
        SafetensorsDeclaration(
          name: name + method.suffix,
          type: SafetensorsType(storage),
          shape: scales[name]?.shape ?? []
        )
      },
      metadata: [
        "format": Self.format, "version": "1", "method": method.rawValue, "bits": bits,
        "group": group, "axis": axis, "base_sha256": baseDigest, "task": task, "step": "\(step)",
        "created_by": "apus",
      ].merging(origin.map { ["origin": $0] } ?? [:]) { $1 }
    )
    for name in names {
      guard let tensor = scales[name] else { continue }
      switch type {
      case .float32: try writer.write(tensor, named: name + method.suffix)
      case .float16:
        try writer.write(Tensor<Float16>(converting: tensor), named: name + method.suffix)
      }
    }
    try writer.finish()
  }
}

/// Why an adapter cannot be used.
public enum ScaleAdapterError: Error, Equatable, CustomStringConvertible {
  /// A file is no adapter, or a damaged one.
  case invalidFile(path: String, reason: String)
  /// The adapter belongs to another base.
  case foreignBase(task: String, expected: String, found: String)
  /// A layer of the adapter is missing in the base, or the other way round.
  case layers(task: String, reason: String)
  /// The scales of a layer have another shape.
  case shape(task: String, layer: String, expected: Shape, found: Shape)
  /// There is no task of that name.
  case unknownTask(String, known: [String])
  /// A module has no layers whose scales could be tuned.
  case nothingToTune(String)
  /// The scales cannot become part of a model folder.
  case inapplicable(reason: String)

  /// What is wrong, where, and what to do.
  public var description: String {
    switch self {
    case .invalidFile(let path, let reason):
      "adapter: \(path) \(reason)"
    case .foreignBase(let task, let expected, let found):
      "adapter: task '\(task)' belongs to the base \(found.prefix(12))…, this one is "
        + "\(expected.prefix(12))…; load the base that it was tuned on"
    case .layers(let task, let reason):
      "adapter: task '\(task)' does not fit: \(reason)"
    case .shape(let task, let layer, let expected, let found):
      "adapter: task '\(task)' has scales \(found) for '\(layer)', \(expected) are needed"
    case .unknownTask(let name, let known):
      "adapter: no task '\(name)'; there are \(known.isEmpty ? "none" : known.joined(separator: ", "))"
    case .nothingToTune(let reason):
      "scale tuning: \(reason)"
    case .inapplicable(let reason):
      "adapter: cannot be applied: \(reason)"
    }
  }
}
