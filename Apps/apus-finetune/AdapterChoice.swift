import ModelSupport
import Quantization
import Support
import Tensor

/// Adapters and the kind of base that fits them.
struct AdapterChoice {
  let tasks: [TaskFile]
  let kind: TuningBase.Kind
  /// How codes are made, with as many trained planes as the adapters have where none are typed.
  let arguments: BaseArguments

  /// Looks at adapters that are used on one model.
  ///
  /// - Throws: `CommandFailure` where one model cannot hold them.
  init(_ paths: [String], _ arguments: BaseArguments) throws {
    tasks = try paths.map { try TaskFile(path: $0) }
    let binary = arguments.binaryOptions.first
    var filled = arguments
    if filled.trainedPlanes == nil, let planes = tasks.lazy.compactMap(Self.trainedPlanes).first {
      filled.trainedPlanes = "\(planes)"
    }
    self.arguments = filled
    let kinds = Set(tasks.map(\.kind)).subtracting([.stored])
    guard kinds.count < 2 else {
      throw CommandFailure(
        "adapters of PEQA and AlphaTuning need two bases; use one kind at a time"
      )
    }
    kind = kinds.first ?? (binary == nil ? .stored : .binaryCodes)
    if let binary, kind != .binaryCodes {
      throw CommandFailure("\(binary) belongs to AlphaTuning, the adapters to another method")
    }
    if kind == .binaryCodes, let task = tasks.first(where: { $0.kind == .stored }) {
      throw CommandFailure(
        "\(task.path) holds low-rank adapters, which stand beside the model's own layers; leave "
          + "\(binary ?? "the adapters of AlphaTuning") out"
      )
    }
  }

  /// The model, ready for the scales of the tasks.
  func base(_ file: ModelFile, output: OutputArguments) throws -> TuningBase {
    try TuningBase(file, kind, arguments, output: output)
  }

  /// The planes whose scales an adapter has; nil for other adapters.
  private static func trainedPlanes(_ task: TaskFile) -> Int? {
    guard case .scales(let adapter) = task.content, adapter.method == .alphaTuning else {
      return nil
    }
    return adapter.scales.first?.value.shape.extents.last
  }
}

extension TuningBase {
  /// Loads the scales of a task, and says how the codes can be had where they are others.
  func load(_ adapter: ScaleAdapter, _ path: String) throws {
    guard let layers else {
      throw CommandFailure("\(file.path) has no scales to replace")
    }
    do throws(ScaleAdapterError) { try layers.load(adapter) } catch {
      guard case .foreignBase = error else { throw CommandFailure("\(path): \(error)") }
      let group = adapter.group == "-1" ? "rows" : "groups of \(adapter.group)"
      let bits = adapter.method == .peqa ? "bits" : "planes"
      throw CommandFailure(
        "\(path): \(error); it was tuned on \(adapter.bits) \(bits) in \(group), this model has "
          + "\(text) (the method and the range decide the codes, too)"
      )
    }
  }
}
