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

/// A folder that appears complete or not at all.
///
/// Files go to a temporary folder beside the target, `.NAME.PID-NUMBER.apus-tmp`; `commit` renames it
/// onto the target. Whatever goes wrong before that removes it and leaves an existing target
/// untouched, and so does `AtomicFile.removePendingFiles()`. What killed processes left of the same folder
/// goes when the next one begins it.
public final class AtomicFolder {
  /// The path that the folder will have.
  public let path: String
  private let temporary: String
  private let madeParents: [String]
  private var isPending = true

  /// Creates the temporary folder.
  ///
  /// - Parameters:
  ///   - path: the folder to make; its parents are made too.
  ///   - replacing: whether a folder that exists and is not empty will be replaced by `commit`.
  /// - Throws: `CheckpointError.unwritable` if the place is taken or cannot be written.
  public init(path: String, replacing: Bool = false) throws(CheckpointError) {
    var trimmed = path
    while trimmed.count > 1 && trimmed.hasSuffix("/") { trimmed.removeLast() }
    self.path = trimmed
    try Self.checkFree(trimmed, replacing: replacing)
    FolderRemoval.removeLeftovers(beside: trimmed)
    temporary = PendingFiles.path(beside: trimmed)
    do throws(FileProblem) {
      madeParents = try makeFolder(folderAndName(of: trimmed).folder)
      try PendingFiles.createFolder(temporary)
    } catch {
      throw .unwritable(path: trimmed, error)
    }
  }

  deinit {
    guard isPending else { return }
    PendingFiles.remove(temporary)
    // Only empty ones go: others may have put something there meanwhile.
    for folder in madeParents { rmdir(folder) }
  }

  /// The path of a file inside, to write before `commit`.
  public func file(_ name: String) -> String { temporary + "/" + name }

  /// Puts the folder in its place; the object is of no further use.
  public func commit() throws(CheckpointError) {
    // A folder that is not empty cannot be renamed over: the old one steps aside first.
    let old = temporary + "-old"
    do throws(FileProblem) {
      let isTaken = try stepAside(to: old)
      do throws(FileProblem) {
        try PendingFiles.move(temporary, to: path)
      } catch {
        if isTaken { rename(old, path) }
        throw error
      }
      isPending = false
      synchronizeFolder(of: path)
      if isTaken { try? FileManager.default.removeItem(atPath: old) }
    } catch {
      throw .unwritable(path: path, error)
    }
  }

  /// Moves what is at the target away; false when nothing is there.
  private func stepAside(to old: String) throws(FileProblem) -> Bool {
    if rename(path, old) == 0 { return true }
    guard errno == ENOENT else { throw FileProblem(errno) }
    return false
  }

  private static func checkFree(_ path: String, replacing: Bool) throws(CheckpointError) {
    guard let isFolder = isFolder(at: path) else { return }
    guard isFolder else {
      throw .unwritable(path: path, .system(code: EEXIST, text: "a file has this name"))
    }
    let contents = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    guard contents.isEmpty || replacing else {
      throw .unwritable(
        path: path,
        .system(code: ENOTEMPTY, text: "the folder exists and is not empty")
      )
    }
  }
}
