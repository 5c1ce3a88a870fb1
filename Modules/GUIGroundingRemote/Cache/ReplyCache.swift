import Checkpoints
import Foundation

/// What the cache of replies is used for.
public enum CacheUse: Codable, Hashable, Sendable {
  /// Nothing is read or kept.
  case off
  /// Replies of the folder are used, others are fetched and kept there.
  case readAndWrite(folder: String)
  /// Only replies of the folder are used: an evaluation is scored again without a server.
  case readOnly(folder: String)
}

/// Replies of a chat server by the digest of their request, one file each.
///
/// A file appears whole or not at all, so an evaluation that was killed goes on where it was.
/// `KEY.json` reads
///
///     {"version":1,"key":"…","request":{… the picture left out …},"reply":{… as it came …}}
///
/// A file that is damaged, or belongs to another request, counts as missing and is written anew.
/// Several processes may share a folder.
struct ReplyCache: Sendable {
  private let folder: String
  private let isWritable: Bool

  /// The cache of the settings, or nil when it is off.
  init?(_ use: CacheUse) {
    switch use {
    case .off: return nil
    case .readAndWrite(let folder): (self.folder, isWritable) = (folder, true)
    case .readOnly(let folder): (self.folder, isWritable) = (folder, false)
    }
    if isWritable {
      FolderRemoval.removeLeftovers(in: folder) { $0.hasSuffix(".json") && $0.count == 69 }
    }
  }

  /// Whether a missing reply may be fetched.
  var allowsRequests: Bool { isWritable }

  /// The digest of a request's body, keys sorted.
  ///
  /// - Parameters:
  ///   - body: the body.
  ///   - ordinal: which of several draws with this very body it is.
  /// - Returns: the digest in hexadecimal.
  static func key(_ body: JSONObject, ordinal: Int) -> String {
    var digest = ContentHash()
    JSONValue.object(body).serializedBytes(keys: .sorted).withUnsafeBytes { digest.update($0) }
    // The first draw has the digest of the body itself.
    if ordinal > 0 { Array("#\(ordinal)".utf8).withUnsafeBytes { digest.update($0) } }
    return digest.digest()
  }

  /// The reply that is kept, or nil.
  func reply(_ key: String) -> ChatReply? {
    guard let entry = try? JSONValue.read(path(key)), entry["version"]?.intValue == 1,
      entry["key"]?.stringValue == key, let body = entry["reply"]
    else { return nil }
    return try? ChatReply(body)
  }

  /// Keeps the body of a reply that makes sense.
  ///
  /// - Throws: `CheckpointError`.
  func keep(_ reply: JSONValue, of body: JSONObject, _ key: String) throws(CheckpointError) {
    guard isWritable else { return }
    let entry: JSONObject = [
      "version": 1, "key": .string(key), "request": Self.withoutPictures(.object(body)),
      "reply": reply,
    ]
    // A folder that cannot be made shows when the file is written.
    try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try JSONValue.object(entry).write(to: path(key), pretty: false)
  }

  private func path(_ key: String) -> String { "\(folder)/\(key).json" }

  /// The request for human eyes: pictures become the digest of their text.
  private static func withoutPictures(_ value: JSONValue) -> JSONValue {
    switch value {
    case .string(let text) where text.hasPrefix("data:"):
      var digest = ContentHash()
      Array(text.utf8).withUnsafeBytes { digest.update($0) }
      return .string("sha256:" + digest.digest())
    case .array(let values): return .array(values.map(withoutPictures))
    case .object(let object):
      return .object(JSONObject(object.map { ($0.key, withoutPictures($0.value)) }))
    case .null, .bool, .integer, .number, .string: return value
    }
  }
}
