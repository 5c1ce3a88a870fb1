import Tensor

/// Named arrays in NumPy's archive: a ZIP file that holds an NPY file for each.
///
///     let labels = try NPZFile(path: "scan_panoptic.npz").array(named: "data").integers()
///
/// Both kinds are read, that of `savez` and that of `savez_compressed`; archives of 4 GiB and more
/// are not. An array is decompressed, and checked by its CRC-32, when it is asked for.
public struct NPZFile: Sendable {
  /// The file.
  public let path: String
  /// The names of the arrays, in the order of the archive.
  public let names: [String]

  private let file: MappedFile
  private let members: [ZipMember]

  /// Opens an archive and reads its directory.
  ///
  /// - Throws: `CheckpointError.unreadable`, `.malformed` or `.unsupportedType`.
  public init(path: String) throws(CheckpointError) {
    let file = try MappedFile(path: path, mode: .inMemory)
    let members = try ZipMember.all(in: file.bytes, path)
    let names = members.map { $0.name.hasSuffix(".npy") ? String($0.name.dropLast(4)) : $0.name }
    if let twice = names.first(where: { name in names.count { $0 == name } > 1 }) {
      throw .malformed(path, "the archive holds \(twice.quotedForMessage) more than once")
    }
    (self.path, self.file, self.members, self.names) = (path, file, members, names)
  }

  /// The array of a name, without its ending `.npy`.
  ///
  /// - Throws: `CheckpointError.missingTensor`, `.malformed` or `.unsupportedType`.
  public func array(named name: String) throws(CheckpointError) -> NPYFile {
    guard let index = names.firstIndex(of: name) else {
      throw .missingTensor(path: path, name: name, near: Array(names.prefix(8)))
    }
    let content = try members[index].content(in: file.bytes, path)
    return try NPYFile(.member(content), path: path)
  }
}
