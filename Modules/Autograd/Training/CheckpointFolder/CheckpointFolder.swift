import Checkpoints
import Tensor

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Which checkpoint of a run is the best.
public enum BestCheckpoint: Hashable, Sendable, Codable {
  /// The one with the smallest value of a metric.
  case lowest(String)
  /// The one with the largest value of a metric.
  case highest(String)

  /// Whether a value is better than the best so far; NaN never is.
  func isBetter(_ value: Double, than best: Double) -> Bool {
    switch self {
    case .lowest: value < best
    case .highest: value > best
    }
  }

  var metric: String {
    switch self {
    case .lowest(let name), .highest(let name): name
    }
  }
}

/// The checkpoints of a run: a folder with one sub-folder each, of which old ones are removed.
///
///     let folder = try CheckpointFolder(at: "run/checkpoints", keeping: 3, best: .lowest("loss"))
///     if let saved = try folder.latest() { try model.load(saved.model()) … }
///     ...
///     try folder.save(checkpoint)
///
/// A checkpoint `step-000123` holds one safetensors file for each group of tensors, `state.json`
/// with step, position, metrics and values, and `manifest.json` with the size and checksum of each.
/// It is written beside its place, flushed to the disk, and renamed: whenever the process is
/// killed, every `step-…` is whole. Opening the folder removes what killed processes left.
///
/// - Cost: a checkpoint is written once and read once for its checksums; opening one reads it once.
public struct CheckpointFolder: Sendable {
  /// The absolute path.
  public let path: String
  /// How many of the newest checkpoints stay.
  public let keeping: Int
  /// Which one stays beside the newest, however old.
  public let best: BestCheckpoint?

  /// Opens the folder, and makes it when there is none.
  ///
  /// - Parameters:
  ///   - path: the folder.
  ///   - keeping: how many of the newest checkpoints stay, at least 1.
  ///   - best: which one stays beside them.
  /// - Throws: `CheckpointFolderError.file` when the folder cannot be made.
  public init(
    at path: String,
    keeping: Int = 3,
    best: BestCheckpoint? = nil
  ) throws(CheckpointFolderError) {
    expect(keeping > 0, "checkpoint folder: \(keeping) checkpoints to keep, at least 1 is needed")
    do throws(FileProblem) { try makeFolder(path) } catch {
      throw .file(.unwritable(path: path, error))
    }
    guard let resolved = realpath(path, nil) else {
      let code = errno
      let problem: FileProblem =
        code == ENOENT ? .missing : .system(code: code, text: String(cString: strerror(code)))
      throw .file(.unwritable(path: path, problem))
    }
    self.path = String(cString: resolved)
    free(resolved)
    self.keeping = keeping
    self.best = best
    FolderRemoval.removeLeftovers(in: self.path) { Self.step(of: $0) != nil }
  }

  /// The steps of the checkpoints, in order; damaged ones are not told apart.
  public var steps: [Int] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    return names.compactMap(Self.step).sorted()
  }

  /// The folder of a step's checkpoint.
  public func path(ofStep step: Int) -> String { path + "/" + Self.name(ofStep: step) }

  private static func name(ofStep step: Int) -> String {
    let digits = String(step)
    return "step-" + String(repeating: "0", count: max(6 - digits.count, 0)) + digits
  }

  private static func step(of name: String) -> Int? {
    guard name.hasPrefix("step-"), let step = Int(name.dropFirst(5)), step >= 0,
      name == Self.name(ofStep: step)
    else { return nil }
    return step
  }
}

// MARK: - Loading

extension CheckpointFolder {
  /// The newest checkpoint that is whole; nil when there is none at all.
  ///
  /// Damaged ones are left where they are and listed in the result's `skipped`.
  ///
  /// - Returns: the checkpoint; it stays as long as that object lives.
  /// - Throws: `CheckpointFolderError.allDamaged`: a run that cannot go on must not start over
  ///   unnoticed.
  public func latest() throws(CheckpointFolderError) -> SavedCheckpoint? {
    var damaged: [DamagedCheckpoint] = []
    for step in steps.reversed() {
      do throws(DamagedCheckpoint) {
        guard let saved = try SavedCheckpoint(path: path(ofStep: step), step: step) else {
          continue
        }
        saved.skipped = damaged
        return saved
      } catch {
        damaged.append(error)
      }
    }
    guard damaged.isEmpty else { throw .allDamaged(path: path, damaged) }
    return nil
  }

  /// The checkpoint of a step.
  ///
  /// - Returns: the checkpoint; it stays as long as that object lives.
  /// - Throws: `CheckpointFolderError.missingStep`, `.damaged`.
  public func load(step: Int) throws(CheckpointFolderError) -> SavedCheckpoint {
    do throws(DamagedCheckpoint) {
      if let saved = try SavedCheckpoint(path: path(ofStep: step), step: step) { return saved }
    } catch {
      throw .damaged(error)
    }
    throw .missingStep(path: path, step: step, available: steps)
  }

  /// The best checkpoint by the folder's metric; nil without one, or when none has it.
  ///
  /// - Returns: the checkpoint; it stays as long as that object lives.
  /// - Throws: `CheckpointFolderError.missingStep`, `.damaged`.
  public func bestCheckpoint() throws(CheckpointFolderError) -> SavedCheckpoint? {
    guard let step = bestStep(of: steps) else { return nil }
    return try load(step: step)
  }
}

// MARK: - Saving

extension CheckpointFolder {
  /// Saves a checkpoint, then removes those that need not stay.
  ///
  /// One of the same step is replaced. Those that somebody has loaded stay until a later save.
  ///
  /// - Returns: its folder.
  /// - Throws: `CheckpointFolderError.laterSteps` when there are checkpoints of later steps,
  ///   `.groupName`, `.value` for one that does not encode, `.file`; then nothing was changed.
  @discardableResult
  public func save(_ checkpoint: TrainingCheckpoint) throws(CheckpointFolderError) -> String {
    let place = path(ofStep: checkpoint.step)
    let later = steps.filter { $0 > checkpoint.step }
    guard later.isEmpty else {
      throw .laterSteps(path: path, step: checkpoint.step, later: later)
    }
    let state = try encodedState(of: checkpoint, for: place)
    do throws(CheckpointError) {
      let folder = try AtomicFolder(path: place, replacing: true)
      var manifest = CheckpointManifest()
      for (group, tensors) in checkpoint.tensors {
        let name = group + SavedCheckpoint.suffix
        try SafetensorsFile.write(tensors, to: folder.file(name))
        try manifest.add(name, at: folder.file(name))
      }
      try AtomicFile.write(state, to: folder.file(CheckpointState.fileName))
      try manifest.add(CheckpointState.fileName, at: folder.file(CheckpointState.fileName))
      try manifest.write(to: folder.file(CheckpointManifest.fileName))
      try folder.commit()
    } catch {
      throw .file(error)
    }
    removeOldCheckpoints()
    return place
  }

  /// Removes the checkpoints of later steps: a run that goes back leaves that future.
  ///
  /// - Returns: the steps of those that somebody is reading, which stay.
  @discardableResult
  public func removeCheckpoints(after step: Int) -> [Int] {
    steps.filter { $0 > step }.filter { !FolderRemoval.remove(path(ofStep: $0)) }
  }

  private func encodedState(
    of checkpoint: TrainingCheckpoint,
    for place: String
  ) throws(CheckpointFolderError) -> [UInt8] {
    expect(checkpoint.step >= 0, "save checkpoint: step \(checkpoint.step)")
    for group in checkpoint.tensors.keys
    where !CheckpointManifest.isPlain(group) || group.contains(".") {
      throw .groupName(group)
    }
    do {
      return Array(try CheckpointState.encoder.encode(CheckpointState(checkpoint))) + [0x0A]
    } catch {
      var path: [any CodingKey] = []
      if case EncodingError.invalidValue(_, let context) = error { path = context.codingPath }
      let name = path.count > 1 ? path[1].stringValue : ""
      throw .value(path: place, name: name, reason: codingReason(error))
    }
  }

  /// Removes the checkpoints that need not stay: what `save` does at its end, unless the process is killed
  /// there.
  ///
  /// For who goes on with a run. Those that somebody has loaded stay.
  public func removeOldCheckpoints() {
    let steps = steps
    let kept = steps.suffix(keeping) + (bestStep(of: steps).map { [$0] } ?? [])
    for step in steps where !kept.contains(step) {
      _ = FolderRemoval.remove(path(ofStep: step))
    }
  }

  /// The step with the best metric, the earliest of equals.
  private func bestStep(of steps: [Int]) -> Int? {
    guard let best else { return nil }
    var found: (step: Int, value: Double)?
    for step in steps {
      guard let (state, _) = try? CheckpointState.read(path(ofStep: step)),
        let value = state.metrics[best.metric], !value.isNaN
      else { continue }
      if found.map({ best.isBetter(value, than: $0.value) }) ?? true { found = (step, value) }
    }
    return found?.step
  }
}
