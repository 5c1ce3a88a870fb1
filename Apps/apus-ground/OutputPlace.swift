import Foundation
import Support

/// Makes a folder for results, and those that it is in.
func makeOutputFolder(_ path: String) throws(CommandFailure) {
  guard !path.isEmpty else { throw CommandFailure("output is empty; name a folder") }
  var isFolder = ObjCBool(false)
  if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) {
    guard isFolder.boolValue else {
      throw CommandFailure("output \(path.printable) is a file; choose a folder")
    }
    return
  }
  let parent = URL(filePath: path).deletingLastPathComponent().path(percentEncoded: false)
  if parent != path, parent.count > 1, !FileManager.default.fileExists(atPath: parent) {
    try makeOutputFolder(parent.hasSuffix("/") ? String(parent.dropLast()) : parent)
  }
  guard mkdir(path, 0o777) == 0 || errno == EEXIST else {
    throw CommandFailure("cannot make the folder \(path.printable): \(systemMessage(errno))")
  }
}

/// Refuses a folder that holds something else than what a command has begun there.
///
/// - Parameters:
///   - path: the folder.
///   - name: the file that says that the folder is the command's own.
/// - Throws: `CommandFailure`.
func claimFolder(_ path: String, holding name: String) throws {
  try makeOutputFolder(path)
  let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
  guard names.isEmpty || names.contains(name) else {
    throw CommandFailure(
      "output \(path.printable) is not empty and holds no \(name); choose another folder"
    )
  }
}

/// Seconds that this process has computed, on all its threads.
func processSeconds() -> Double {
  var time = timespec()
  guard clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0 else { return 0 }
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

extension String {
  /// The name of a file without its folder and its last ending.
  var fileStem: String {
    URL(filePath: self).deletingPathExtension().lastPathComponent
  }
}
