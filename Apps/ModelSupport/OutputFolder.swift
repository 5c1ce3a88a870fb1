import Checkpoints
import Foundation
import Quantization
package import Support

/// A place where a model folder can be written, checked before any work is done.
package struct OutputFolder {
  /// The folder's absolute path.
  package let path: String
  /// Whether a folder that lies there is replaced.
  package let isReplaced: Bool

  /// Checks the place.
  ///
  /// - Parameters:
  ///   - typed: the path as it was typed.
  ///   - replaces: whether a model that lies there may go.
  ///   - source: the model that is read meanwhile.
  /// - Throws: `CommandFailure` that says why nothing can be written there.
  package init(path typed: String, replaces: Bool, source: String) throws(CommandFailure) {
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

  /// The absolute path of what was typed, without links.
  package static func resolved(_ path: String) -> String {
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
    let foreign = names.first { !Self.written.contains($0) || isLinkOrFolder($0) }
    guard holdsQuantizedModel, foreign == nil else {
      let reason = foreign.map { "holds '\($0)'" } ?? "holds no model that this program wrote"
      throw CommandFailure(
        "output \(typed) \(reason), so --force does not replace it; choose another folder"
      )
    }
  }

  /// The files that a quantized model consists of: nothing else may be lost.
  private static let written: Set<String> = [
    "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
    "special_tokens_map.json", "generation_config.json", "chat_template.jinja",
  ]

  private func isLinkOrFolder(_ name: String) -> Bool {
    var status = stat()
    guard lstat(path + "/" + name, &status) == 0 else { return true }
    return status.st_mode & S_IFMT != S_IFREG
  }

  /// Whether the folder's config.json is one that `run` wrote: original weights are never replaced.
  private var holdsQuantizedModel: Bool {
    let document = try? JSONValue.read(path + "/config.json")
    return document?[QuantizationConfiguration.key]?["quant_method"]?.stringValue == "apus"
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
