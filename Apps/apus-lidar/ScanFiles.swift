import Foundation
import PointCloud
import Support

/// The files of scans below a path.
enum ScanFiles {
  private static let endings = [".bin", ".pcd", ".ply", ".las"]

  /// The file itself, or the scans of a folder in the order of their names: of a data set as
  /// SemanticKITTI has it, of one of its sequences, or those that lie in the folder.
  ///
  /// - Throws: `CommandFailure` if nothing is there; `PointFileError` for a sequence without scans.
  static func paths(at path: String) throws -> [String] {
    var isFolder = ObjCBool(false)
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw CommandFailure("no scans at \(path.printable)")
    }
    guard isFolder.boolValue else { return [path] }
    let sequences = path + "/sequences"
    if FileManager.default.fileExists(atPath: sequences) {
      let names = try FileManager.default.contentsOfDirectory(atPath: sequences).sorted()
      let folders = names.map { sequences + "/" + $0 }.filter { hasScans($0) }
      let found = try folders.flatMap { try scans(ofSequence: $0) }
      guard found.isEmpty else { return found }
    }
    if hasScans(path) { return try scans(ofSequence: path) }
    let names = try FileManager.default.contentsOfDirectory(atPath: path).sorted()
    let found = names.filter { name in endings.contains { name.lowercased().hasSuffix($0) } }
    guard !found.isEmpty else {
      throw CommandFailure(
        "\(path.printable) has no scans: neither sequences/NN/velodyne, nor "
          + endings.joined(separator: ", ") + " files"
      )
    }
    return found.map { path + "/" + $0 }
  }

  private static func hasScans(_ folder: String) -> Bool {
    FileManager.default.fileExists(atPath: folder + "/velodyne")
  }

  private static func scans(ofSequence folder: String) throws -> [String] {
    let sequence = try SemanticKITTISequence(folder: folder)
    return (0..<sequence.count).map { sequence.scanPath(at: $0) }
  }
}
