import ModelSupport
import Quantization
import Support
import Tensor

/// Adapters and the kind of base that fits them.
struct AdapterChoice {
  let tasks: [TaskFile]
  let kind: TuningBase.Kind
  /// How codes are made.
  private let arguments: BaseArguments

  /// Looks at adapters that are used on one model.
  ///
  /// - Throws: `CommandFailure` where one model cannot hold them.
  init(_ paths: [String], _ arguments: BaseArguments) throws {
    tasks = try paths.map { try TaskFile(path: $0) }
    let binary = arguments.binaryOptions.first
    self.arguments = arguments
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

  /// The model, ready for the scales of the tasks: as many planes train as the tasks have, where none
  /// are typed.
  func base(_ file: ModelFile, output: OutputArguments) throws -> TuningBase {
    var filled = arguments
    let planes = tasks.compactMap { task in
      if case .scales(let adapter) = task.content { adapter.trainedPlanes } else { nil }
    }.max()
    if filled.trainedPlanes == nil, let planes {
      filled.trainedPlanes = "\(min(planes, file.binaryPlaneCount ?? filled.planeCount))"
    }
    return try TuningBase(file, kind, filled, output: output)
  }
}

extension ScaleAdapter {
  /// The codes that it belongs to, in a few words: "3 bits, groups of 64".
  var codes: String {
    let unit = method == .peqa ? (bits == "1" ? "bit" : "bits") : bits == "1" ? "plane" : "planes"
    let grouping =
      switch group {
      case "-1": "rows"
      case "mixed": "mixed groups"
      default: "groups of \(group)"
      }
    return "\(bits) \(unit), \(grouping)" + (axis == "ic" ? " outputs" : "")
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
      throw CommandFailure(
        "\(path): \(error); it was tuned on \(adapter.codes), this model has "
          + "\(text) (method, range and the type of the scales decide the codes, too)"
          + (adapter.origin.map { "; its codes come of '\($0)'" } ?? "")
      )
    }
  }
}
