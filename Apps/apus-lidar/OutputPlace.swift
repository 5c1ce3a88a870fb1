import Foundation
import Support

/// Makes a folder for results, and those that it is in.
func makeOutputFolder(_ path: String) throws(CommandFailure) {
  guard !path.isEmpty else { throw CommandFailure("output is empty; name a folder") }
  var isFolder = ObjCBool(false)
  if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) {
    guard isFolder.boolValue else {
      throw CommandFailure("output \(path) is a file; choose a folder")
    }
    return
  }
  let parent = URL(filePath: path).deletingLastPathComponent().path(percentEncoded: false)
  if parent != path, parent.count > 1, !FileManager.default.fileExists(atPath: parent) {
    try makeOutputFolder(parent.hasSuffix("/") ? String(parent.dropLast()) : parent)
  }
  guard mkdir(path, 0o777) == 0 || errno == EEXIST else {
    throw CommandFailure("cannot make the folder \(path): \(systemMessage(errno))")
  }
}

extension String {
  /// The name of a file without its folder and its last ending; `.pcd.bin` is one ending.
  var fileStem: String {
    let name = URL(filePath: self).lastPathComponent
    for ending in [".pcd.bin"] where name.lowercased().hasSuffix(ending) && name != ending {
      return String(name.dropLast(ending.count))
    }
    guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return name }
    return String(name[..<dot])
  }
}
