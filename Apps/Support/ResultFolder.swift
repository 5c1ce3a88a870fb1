import Checkpoints

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// Makes a folder for results, and those that it is in.
///
/// - Throws: `CommandFailure` for a file in its place, and what the system says.
public func makeOutputFolder(_ path: String) throws(CommandFailure) {
  guard !path.isEmpty else { throw CommandFailure("output is empty; name a folder") }
  if isFolder(at: path) == false {
    throw CommandFailure("output \(path.printable) is a file; choose a folder")
  }
  do { try makeFolder(path) } catch {
    throw CommandFailure("cannot make the folder \(path.printable): \(error)")
  }
}

/// Makes a folder for results, and refuses one that holds something else than what the command has
/// begun there.
///
/// - Parameters:
///   - path: the folder.
///   - name: the file that says that the folder is the command's own.
///   - beginnings: what the command writes before that file; a folder with nothing else is its own too.
/// - Throws: `CommandFailure`.
public func claimFolder(
  _ path: String,
  holding name: String,
  after beginnings: Set<String> = []
) throws(CommandFailure) {
  try makeOutputFolder(path)
  if FileManager.default.fileExists(atPath: path + "/" + name) { return }
  guard beginnings.isSuperset(of: finishedNames(in: path)) else {
    throw CommandFailure(
      "output \(path.printable) is not empty and holds no \(name); choose another folder"
    )
  }
}

/// The names in a folder of results, none where it is missing; what killed processes were writing there is
/// removed first, for it says nothing about whose folder it is.
public func finishedNames(in path: String) -> [String] {
  FolderRemoval.removeLeftovers(in: path) { _ in true }
  return (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
}

/// Refuses a file that cannot be written, before the work whose result it would hold.
///
/// - Parameter path: the file, which may be there; nil is accepted.
/// - Throws: `CommandFailure` where it is a folder, or its folder is missing or may not be written to.
public func checkOutputFile(_ path: String?) throws(CommandFailure) {
  guard let path else { return }
  guard !path.isEmpty else { throw CommandFailure("output is empty; name a file") }
  guard isFolder(at: path) != true else {
    throw CommandFailure("output \(path.printable) is a folder; name a file")
  }
  let parts = path.split(separator: "/", omittingEmptySubsequences: false).dropLast()
  let folder =
    parts.isEmpty ? "." : parts.count == 1 && parts[0].isEmpty ? "/" : parts.joined(separator: "/")
  guard isFolder(at: folder) == true else {
    throw CommandFailure("output \(path.printable): there is no folder \(folder.printable)")
  }
  guard FileManager.default.isWritableFile(atPath: folder) else {
    throw CommandFailure("output \(path.printable): the folder may not be written to")
  }
}
