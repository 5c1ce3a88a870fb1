import Checkpoints
public import Tensor

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// A checkpoint on the disk whose files were all compared with what was written.
///
/// While this object lives no retention, of whatever process, removes the checkpoint.
public final class SavedCheckpoint {
  /// Its folder.
  public let path: String
  /// The steps done.
  public var step: Int { state.step }
  /// The next batch.
  public var position: BatchPosition { state.position }
  /// What was measured last, by name.
  public var metrics: [String: Double] { state.metrics }
  /// The names of the values.
  public var valueNames: [String] { state.valueNames }
  /// The names of the groups of tensors.
  public var groupNames: [String] {
    manifest.files.keys.filter { $0.hasSuffix(Self.suffix) }
      .map { String($0.dropLast(Self.suffix.count)) }.sorted()
  }
  /// The newer checkpoints that `latest()` could not use.
  public internal(set) var skipped: [DamagedCheckpoint] = []

  static let suffix = ".safetensors"
  private let manifest: CheckpointManifest
  private let state: CheckpointState
  private let stateData: Data
  private let lease: FolderLease

  /// Opens and checks a checkpoint; nil when it is not there, or is just being removed.
  init?(path: String, step: Int) throws(DamagedCheckpoint) {
    guard let lease = FolderLease.reading(path) else { return nil }
    self.lease = lease
    self.path = path
    do throws(ManifestFault) {
      manifest = try CheckpointManifest(checking: path)
      (state, stateData) = try CheckpointState.read(path)
      guard state.step == step else { throw ManifestFault("it is of step \(state.step)") }
    } catch {
      throw DamagedCheckpoint(step: step, path: path, reason: error.reason)
    }
  }

  /// The group `model`.
  ///
  /// - Throws: What `tensors(_:)` throws.
  public func model() throws(CheckpointFolderError) -> [String: Tensor<Float>] {
    try tensors("model")
  }

  /// The group `optimizer`.
  ///
  /// - Throws: What `tensors(_:)` throws.
  public func optimizer() throws(CheckpointFolderError) -> [String: Tensor<Float>] {
    try tensors("optimizer")
  }

  /// The tensors of a group by name: views of the file until they are written.
  ///
  /// - Throws: `CheckpointFolderError.missingGroup`, `.file`.
  public func tensors(_ group: String) throws(CheckpointFolderError) -> [String: Tensor<Float>] {
    guard groupNames.contains(group) else {
      throw .missingGroup(path: path, name: group, available: groupNames)
    }
    do throws(CheckpointError) {
      let file = try SafetensorsFile(path: path + "/" + group + Self.suffix)
      var tensors: [String: Tensor<Float>] = [:]
      for name in file.names { tensors[name] = try file.tensor(named: name) }
      return tensors
    } catch {
      throw .file(error)
    }
  }

  /// A value as it was saved.
  ///
  ///     generator = try saved.value("generator", as: Philox.self)
  ///
  /// - Throws: `CheckpointFolderError.missingValue`, or `.value` when it is of another type.
  public func value<Value: Decodable>(
    _ name: String,
    as type: Value.Type
  ) throws(CheckpointFolderError) -> Value {
    guard valueNames.contains(name) else {
      throw .missingValue(path: path, name: name, available: valueNames)
    }
    do {
      return try CheckpointState.value(name, as: type, in: stateData)
    } catch {
      throw .value(path: path, name: name, reason: codingReason(error))
    }
  }
}

extension CheckpointState {
  static let fileName = "state.json"

  /// The state of a checkpoint's folder.
  static func read(_ folder: String) throws(ManifestFault) -> (CheckpointState, Data) {
    let data: Data
    do throws(CheckpointError) {
      let file = try MappedFile(path: folder + "/" + fileName, mode: .inMemory)
      defer { withExtendedLifetime(file) {} }
      data = Data(file.bytes)
    } catch {
      throw ManifestFault(fileName, error)
    }
    do {
      return (try decoder.decode(CheckpointState.self, from: data), data)
    } catch {
      throw ManifestFault("\(fileName): \(codingReason(error))")
    }
  }
}
