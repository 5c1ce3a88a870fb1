import Foundation
import Support

/// A place where a model folder can be written, checked before any work is done.
struct OutputFolder {
  /// The folder's absolute path.
  let path: String
  /// Whether a folder that lies there is replaced.
  let isReplaced: Bool

  /// Checks the place.
  ///
  /// - Parameters:
  ///   - typed: the path as it was typed.
  ///   - replaces: whether a model that lies there may go.
  ///   - source: the model that is read meanwhile.
  /// - Throws: `CommandFailure` that says why nothing can be written there.
  init(path typed: String, replaces: Bool, source: String) throws(CommandFailure) {
    guard !typed.isEmpty else {
      throw CommandFailure("--output is empty; name a folder", code: .usage)
    }
    path = Self.resolved(typed)
    isReplaced = replaces
    var isFolder = ObjCBool(false)
    if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) {
      guard isFolder.boolValue else {
        throw CommandFailure("output \(typed) is a file; choose a folder")
      }
      try checkContents(typed, replaces: replaces, source: Self.resolved(source))
    }
    try checkPermission(typed)
  }

  private static func resolved(_ path: String) -> String {
    URL(filePath: path).standardizedFileURL.resolvingSymlinksInPath().path(percentEncoded: false)
      .withoutLastSlash
  }

  /// An existing folder is empty, or holds a model that may go.
  private func checkContents(
    _ typed: String,
    replaces: Bool,
    source: String
  ) throws(CommandFailure) {
    let names: [String]
    do { names = try FileManager.default.contentsOfDirectory(atPath: path) } catch {
      throw CommandFailure("cannot read output \(typed); check its permissions")
    }
    if Self.isInside(Self.resolved("."), path) {
      throw CommandFailure("output \(typed) is the folder you are in; choose another")
    }
    if names.isEmpty { return }
    guard replaces else {
      throw CommandFailure(
        "output \(typed) exists and is not empty; choose another folder or add --force"
      )
    }
    if Self.isInside(source, path) {
      throw CommandFailure("output \(typed) holds the model that is read; choose another folder")
    }
    let folder = names.first { name in
      var isFolder = ObjCBool(false)
      let exists = FileManager.default.fileExists(
        atPath: path + "/" + name,
        isDirectory: &isFolder
      )
      return exists && isFolder.boolValue
    }
    guard names.contains("config.json"), folder == nil else {
      let reason = folder.map { "holds the folder '\($0)'" } ?? "holds no config.json"
      throw CommandFailure(
        "output \(typed) \(reason), so it is no model folder and --force does not replace it; "
          + "choose another folder"
      )
    }
  }

  /// The folder in which the output will appear is writable; missing ones will be made.
  private func checkPermission(_ typed: String) throws(CommandFailure) {
    var parent = URL(filePath: path).deletingLastPathComponent()
    while parent.path(percentEncoded: false) != "/",
      access(parent.path(percentEncoded: false), F_OK) != 0, errno == ENOENT
    {
      parent.deleteLastPathComponent()
    }
    let place = parent.path(percentEncoded: false)
    var isFolder = ObjCBool(false)
    guard FileManager.default.fileExists(atPath: place, isDirectory: &isFolder),
      isFolder.boolValue
    else {
      throw CommandFailure("cannot write output \(typed): \(place) is not a folder")
    }
    // Permissions do not tell everything: read-only disks and virtual folders refuse as well.
    let probe = place.withoutLastSlash + "/.apus-probe-\(getpid())"
    guard mkdir(probe, 0o700) == 0 else {
      let reason = systemMessage(errno)
      throw CommandFailure("cannot write output \(typed): \(place) takes no folder: \(reason)")
    }
    rmdir(probe)
  }

  private static func isInside(_ path: String, _ folder: String) -> Bool {
    path == folder || path.hasPrefix(folder == "/" ? "/" : folder + "/")
  }
}

extension String {
  fileprivate var withoutLastSlash: String {
    count > 1 && hasSuffix("/") ? String(dropLast()) : self
  }
}
