public import Tensor

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// The tensors of a model in safetensors format: one file, or shards with an index.
///
/// A sharded model has a file `NAME.safetensors.index.json` whose `weight_map` says which file of
/// the same folder holds each tensor. Every mapped tensor must be in its shard, and only there;
/// shards hold no tensor that the map leaves out.
public struct Checkpoint: Sendable {
  /// The longest index that is accepted.
  public static let maximumIndexByteCount = 100_000_000

  /// The path that was opened: a file, or the folder that was searched.
  public let path: String
  /// The files, in the order of their names.
  public let shards: [SafetensorsFile]
  private let shardIndices: NameTable<Int>

  /// Opens a `.safetensors` file, an index, or a folder that holds one of them.
  ///
  /// In a folder, `model.safetensors` comes first, then `model.safetensors.index.json`, then the
  /// only file with one of these endings.
  ///
  /// - Throws: `CheckpointError`, naming the file at fault.
  public init(path: String, mode: MappedFile.Mode = .mapped) throws(CheckpointError) {
    self.path = path
    let file = try weightFile(at: path)
    if file.hasSuffix(".json") {
      let index = try ShardIndex(path: file)
      shards = try index.open(mode: mode)
    } else {
      shards = [try SafetensorsFile(path: file, mode: mode)]
    }
    var table = NameTable<Int>()
    for (index, shard) in shards.enumerated() {
      for entry in shard.entries { _ = table.append(entry.name, index) }
    }
    shardIndices = table
  }

  /// The names of all tensors, shard by shard, in the order of their data.
  public var names: [String] { shardIndices.names }

  /// The free-form strings of the first file's header.
  public var metadata: [String: String] { shards.first?.metadata ?? [:] }

  /// What the header says about a tensor, or nil when there is none of this name.
  public subscript(name: String) -> SafetensorsEntry? {
    shardIndices[name].flatMap { shards[$0][name] }
  }

  /// What the header says about a tensor.
  ///
  /// - Throws: `CheckpointError.missingTensor` with the nearest names.
  public func entry(named name: String) throws(CheckpointError) -> SafetensorsEntry {
    try shard(of: name).entry(named: name)
  }

  /// A tensor with elements of the wanted type; see `SafetensorsFile.tensor(named:as:)`.
  ///
  /// - Throws: What `SafetensorsFile.tensor(named:as:)` throws.
  public func tensor<Element: TensorElement>(
    named name: String,
    as type: Element.Type = Float.self
  ) throws(CheckpointError) -> Tensor<Element> {
    try shard(of: name).tensor(named: name, as: type)
  }

  /// A tensor that must have a shape; see `SafetensorsFile.tensor(named:shape:as:)`.
  ///
  /// - Throws: `CheckpointError.shapeMismatch`, and what `tensor(named:as:)` throws.
  public func tensor<Element: TensorElement>(
    named name: String,
    shape: Shape,
    as type: Element.Type = Float.self
  ) throws(CheckpointError) -> Tensor<Element> {
    try shard(of: name).tensor(named: name, shape: shape, as: type)
  }

  private func shard(of name: String) throws(CheckpointError) -> SafetensorsFile {
    if let index = shardIndices[name] { return shards[index] }
    throw .missingTensor(path: path, name: name, near: nearNames(to: name, in: names))
  }
}

/// The file of weights that a path means.
private func weightFile(at path: String) throws(CheckpointError) -> String {
  guard let isFolder = isFolder(at: path) else { throw .unreadable(path: path, .missing) }
  guard isFolder else { return path }
  let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
  for name in ["model.safetensors", "model.safetensors.index.json"] where names.contains(name) {
    return path + "/" + name
  }
  for suffix in [".safetensors.index.json", ".safetensors"] {
    let found = names.filter { $0.hasSuffix(suffix) && !$0.hasPrefix(".") }.sorted()
    if found.count == 1 { return path + "/" + found[0] }
    if found.count > 1 {
      throw .malformed(path, "which file is meant: \(found.prefix(10).joined(separator: ", "))")
    }
  }
  throw .malformed(path, "no file of weights: expected model.safetensors or its index")
}

/// The map from tensors to files.
private struct ShardIndex {
  let path: String
  let folder: String
  /// The file names, sorted, each with its tensors.
  private var tensors = NameTable<NameTable<Bool>>()

  init(path: String) throws(CheckpointError) {
    self.path = path
    folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    let limits = JSONLimits(depth: 8, byteCount: Checkpoint.maximumIndexByteCount)
    let index = try JSONValue.read(path, limits: limits)
    guard let map = index["weight_map"]?.objectValue else {
      throw .malformed(path, "no object \"weight_map\"")
    }
    for (name, file) in map {
      guard let file = file.stringValue, isPlain(file) else {
        throw .malformed(
          path: path,
          tensor: name,
          offset: nil,
          reason: "\(file) is not the plain name of a file in the same folder"
        )
      }
      if tensors[file] == nil { _ = tensors.append(file, NameTable<Bool>()) }
      _ = tensors[file]?.append(name, true)
    }
    guard tensors.count > 0 else { throw .malformed(path, "the weight map is empty") }
    guard tensors.count <= 10_000 else { throw .malformed(path, "\(tensors.count) shards") }
  }

  func open(mode: MappedFile.Mode) throws(CheckpointError) -> [SafetensorsFile] {
    var files: [SafetensorsFile] = []
    let sorted = tensors.entries.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    for shard in sorted {
      let file = try SafetensorsFile(path: folder + "/" + shard.name, mode: mode)
      for entry in file.entries where shard.value[entry.name] == nil {
        throw .malformed(
          path: path,
          tensor: entry.name,
          offset: nil,
          reason: "is in \(shard.name), where the weight map does not put it"
        )
      }
      for tensor in shard.value.entries where file[tensor.name] == nil {
        throw .malformed(
          path: path,
          tensor: tensor.name,
          offset: nil,
          reason: "is not in \(shard.name), where the weight map puts it"
        )
      }
      files.append(file)
    }
    return files
  }

  private func isPlain(_ name: String) -> Bool {
    !name.isEmpty && !name.hasPrefix(".") && name.utf8.count <= 255
      && name.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F && $0 != 0x2F && $0 != 0x5C }
  }
}
