import ArgumentParser
import Foundation
import ModelSupport
import Quantization
import Support
import Transformer

/// `adapters`: what tasks are, and what can be made of them.
struct AdaptersCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "adapters",
    abstract: "List, verify, apply and compare adapters.",
    subcommands: [
      AdapterListCommand.self, AdapterVerifyCommand.self, AdapterApplyCommand.self,
      AdapterDiffCommand.self,
    ]
  )
}

/// `adapters list`.
struct AdapterListCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "Show what adapters say about themselves.",
    discussion: """
      What is no adapter, or a damaged one, is listed with the reason; the exit code is then 1.

      EXAMPLES
        apus-finetune adapters list law.safetensors run lora/adapter
      """
  )

  @Argument(help: "Files of scales, folders of low-rank adapters, folders of runs.")
  var paths: [String]

  @Flag(help: "Write one JSON document.")
  var json = false

  private struct Entry: Encodable {
    var path: String
    var method: String?
    var task: String?
    /// The digest of the base for scales, its name for low-rank adapters.
    var base: String?
    var bits: String?
    var group: String?
    var axis: String?
    /// AlphaTuning: the planes whose scales the task has.
    var planes: Int?
    var rank: String?
    var targets: String?
    var layers: Int?
    var numbers: Int?
    var bytes: Int?
    var step: Int?
    /// The codes or the rank, in a few words.
    var shape: String?
    /// Why it is no adapter.
    var reason: String?
  }

  func run() throws {
    let entries = paths.map { path in
      do { return try entry(TaskFile(path: path)) } catch {
        return Entry(path: path, reason: "\(error)")
      }
    }
    let stream = StandardStream.output
    try stream.writeLine(
      json ? jsonText(entries) : table(entries).text(width: stream.columnCount)
    )
    let failed = entries.filter { $0.reason != nil }
    if let reason = failed.first?.reason {
      throw CommandFailure(
        entries.count == 1
          ? reason
          : "\(failed.count) of \(entries.count.counted("path")) cannot be read; the first: \(reason)"
      )
    }
  }

  private func entry(_ file: TaskFile) -> Entry {
    switch file.content {
    case .scales(let adapter):
      Entry(
        path: file.path,
        method: adapter.method.rawValue,
        task: adapter.task,
        base: adapter.baseDigest,
        bits: adapter.bits,
        group: adapter.group,
        axis: adapter.axis,
        planes: adapter.trainedPlanes,
        layers: adapter.scales.count,
        numbers: adapter.count,
        bytes: file.byteCount,
        step: adapter.step,
        shape: adapter.codes + (adapter.trainedPlanes.map { ", \($0) trained" } ?? "")
      )
    case .lowRank(let task):
      Entry(
        path: file.path,
        method: "lora",
        task: file.name,
        base: task.base,
        rank: task.rank,
        targets: task.targets,
        layers: task.layers,
        numbers: task.count,
        bytes: file.byteCount,
        shape: "rank \(task.rank), \(task.targets)"
      )
    }
  }

  private func table(_ entries: [Entry]) -> Table {
    var table = Table([
      "path", "method", "task", "base", "shape", .number("layers"), .number("numbers"),
      .number("bytes"), .number("step"),
    ])
    for entry in entries {
      let base = entry.base ?? ""
      table.add(
        entry.path,
        entry.method ?? "unreadable",
        entry.task ?? "",
        entry.bits == nil ? base : String(base.prefix(12)),
        entry.shape ?? entry.reason ?? "",
        entry.layers?.grouped ?? "",
        entry.numbers?.grouped ?? "",
        entry.bytes.map(byteCount) ?? "",
        entry.step?.grouped ?? ""
      )
    }
    return table
  }
}

/// `adapters verify`.
struct AdapterVerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Check whether adapters fit a model.",
    discussion: """
      Scales fit where the digest of all codes is the one that they were tuned on and every layer has \
      scales of its shape. Low-rank adapters fit where every layer is there in that shape: peft's layout \
      names the base, but holds no digest of it. Each adapter gets a verdict, also a damaged one or one \
      of another method; the exit code is 1 if one does not fit.

      EXAMPLES
        apus-finetune adapters verify small law.safetensors run
        apus-finetune adapters verify SmolLM2-135M --scheme W3G64 run
      """
  )

  @Argument(help: "A model folder or a .gguf file.")
  var model: String

  @Argument(help: "The adapters.")
  var adapters: [String]

  @OptionGroup(title: "Codes") var base: BaseArguments
  @OptionGroup(title: "Output") var output: OutputArguments

  private struct Verdict: Encodable {
    var adapter: String
    var task: String
    var fits: Bool
    var reason: String?
  }

  func run() throws {
    let file = try ModelFile(path: model)
    var bases: [TuningBase.Kind: Result<TuningBase, any Error>] = [:]
    let verdicts = try adapters.map { try verdict($0, file, &bases) }
    var table = Table(["adapter", "task", "verdict"])
    for verdict in verdicts {
      table.add(verdict.adapter, verdict.task, verdict.reason ?? "fits")
    }
    let stream = StandardStream.output
    try stream.writeLine(
      output.json ? jsonText(verdicts) : table.text(width: stream.columnCount)
    )
    let failed = verdicts.filter { !$0.fits }
    guard failed.isEmpty else {
      throw CommandFailure(
        "\(failed.count) of \(verdicts.count.counted("adapter")) cannot be used with \(model)"
      )
    }
  }

  /// What becomes of one adapter; only an interruption ends the command.
  private func verdict(
    _ path: String,
    _ file: ModelFile,
    _ bases: inout [TuningBase.Kind: Result<TuningBase, any Error>]
  ) throws -> Verdict {
    var verdict = Verdict(adapter: path, task: "", fits: true)
    do {
      let task = try TaskFile(path: path)
      verdict.task = task.name
      switch task.content {
      case .scales(let adapter):
        // Bases of one method are coded once, for the task with most planes among the adapters.
        let known = bases[task.kind] ?? Result { try base(of: task, file) }
        bases[task.kind] = known
        try known.get().load(adapter, task.path)
      case .lowRank:
        let stored = try TuningBase(file, .stored, base, output: output)
        try LowRankAdapterFolder.load(URL(filePath: task.place), into: stored.model)
      }
    } catch {
      try Cancellation.check()
      verdict.fits = false
      verdict.reason = "\(error)"
    }
    return verdict
  }

  /// The model as all adapters of the kind of `task` want it.
  private func base(of task: TaskFile, _ file: ModelFile) throws -> TuningBase {
    let alike = adapters.filter { (try? TaskFile(path: $0))?.kind == task.kind }
    return try AdapterChoice(alike, base).base(file, output: output)
  }
}

/// `adapters apply`.
struct AdapterApplyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "apply",
    abstract: "Write a model in which an adapter is part of the weights.",
    discussion: """
      Scales take the place of those in a quantized folder of this package: codes and everything else \
      are copied, and the new model computes the bits of the adapted one (in float32; float16 rounds the \
      scales). Low-rank adapters are added to the weights of a full-precision model, which is stored in \
      float32.

      EXAMPLES
        apus-finetune adapters apply small run --output law
        apus-finetune adapters apply SmolLM2-135M lora/adapter --output chat
      """
  )

  @Argument(help: "A model folder or a .gguf file.")
  var model: String

  @Argument(help: "The adapter.")
  var adapter: String

  @Option(name: .shortAndLong, help: ArgumentHelp("Where the model goes.", valueName: "folder"))
  var output: String

  @Flag(help: "Replace the model in an output folder that is not empty.")
  var force = false

  @Option(help: "How the scales are stored. (default: float32)")
  var scaleType: ScaleType?

  @OptionGroup(title: "Output") var style: OutputArguments

  private struct Document: Encodable {
    var output: String
    var method: String
    var bytes: Int
  }

  func run() throws {
    let file = try ModelFile(path: model)
    let task = try TaskFile(path: adapter)
    let folder = try OutputFolder(path: output, replaces: force, source: model)
    switch task.content {
    case .scales(let adapter): try apply(adapter, task, to: file, folder)
    case .lowRank: try merge(task, into: file, folder)
    }
    let result = try ModelFile(path: output)
    let document = Document(output: output, method: result.method, bytes: result.byteCount)
    try StandardStream.output.writeLine(
      style.json
        ? jsonText(document) : "\(output): \(document.method), \(byteCount(document.bytes))"
    )
  }

  private func apply(
    _ adapter: ScaleAdapter,
    _ task: TaskFile,
    to file: ModelFile,
    _ folder: OutputFolder
  ) throws {
    guard let quantization = file.quantization else {
      throw CommandFailure(
        "\(model) is in full precision; quantize it with 'apus-quantize run' as the tuning did ("
          + (adapter.method == .peqa
            ? "the same --scheme and --range"
            : "--method bcq with the same --planes, --rounds and --group-size, or --granularity channel "
              + "for rows, and --scale-type float32")
          + "; the report of its run names them), and apply \(task.path) to the result"
      )
    }
    guard case .own(let configuration) = quantization else {
      throw CommandFailure(
        "\(model) is in the format of another tool (\(file.method)), in which no other scales are "
          + "written; quantize with 'apus-quantize run' to tune and apply"
      )
    }
    let choice = try AdapterChoice([task.path], BaseArguments.parse([]))
    let base = try choice.base(file, output: style)
    try base.load(adapter, task.path)
    try base.layers?.writeModel(
      from: file.pretrained.catalog,
      configuration: configuration,
      plan: file.plan,
      to: URL(filePath: folder.path),
      as: scaleType ?? .float32,
      replacing: folder.isReplaced
    )
  }

  private func merge(_ task: TaskFile, into file: ModelFile, _ folder: OutputFolder) throws {
    guard file.quantization == nil else {
      throw CommandFailure(
        "\(model) is quantized (\(file.method)); low-rank adapters become part of full-precision "
          + "weights alone"
      )
    }
    guard scaleType == nil else {
      throw CommandFailure("--scale-type belongs to scales; leave it out", code: .usage)
    }
    let base = try TuningBase(file, .stored, BaseArguments.parse([]), output: style)
    try LowRankAdapterFolder.load(URL(filePath: task.place), into: base.model)
    try file.pretrained.save(
      base.model,
      to: URL(filePath: folder.path),
      replacing: folder.isReplaced
    )
  }
}

/// `adapters diff`.
struct AdapterDiffCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff",
    abstract: "Show how far the scales of two tasks of one base lie apart.",
    discussion: """
      Changes are those of the second against the first, relative to it: the root of the mean square \
      and the largest of each layer, and how many scales have another sign.

      EXAMPLES
        apus-finetune adapters diff law.safetensors code.safetensors
      """
  )

  @Argument(help: "A file of scales, or the folder of a run.")
  var first: String

  @Argument(help: "Another one of the same base.")
  var second: String

  @Flag(help: "Write one JSON document.")
  var json = false

  func run() throws {
    let (first, second) = (
      try TaskFile(path: first).scales(), try TaskFile(path: second).scales()
    )
    let changes = try first.changes(to: second)
    let stream = StandardStream.output
    try stream.writeLine(
      json ? jsonText(changes) : ScaleChange.table(changes).text(width: stream.columnCount)
    )
  }
}
