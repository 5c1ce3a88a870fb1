import Checkpoints
import Foundation
import Support

/// A JSON file beside results that says what they were made with: work goes on only with the same.
enum SettingsFile {
  /// Writes the file, or compares it with the one that is there.
  ///
  /// - Throws: `CommandFailure` that names the first difference.
  static func claim(_ value: some Encodable, at path: String, what: String) throws {
    let text = try jsonText(value) + "\n"
    guard FileManager.default.fileExists(atPath: path) else {
      return try AtomicFile.write(text, to: path)
    }
    let (old, new) = (try JSONValue.read(path), try JSONValue.parse(text))
    guard let difference = difference(old, new, "") else { return }
    throw CommandFailure(
      "\(path) belongs to a \(what) with other settings (\(difference)); repeat its command to go "
        + "on, or choose a new folder"
    )
  }

  /// The first setting that differs, with both values.
  private static func difference(_ old: JSONValue, _ new: JSONValue, _ path: String) -> String? {
    if let old = old.objectValue, let new = new.objectValue {
      for key in Set(old.keys).union(new.keys).sorted() {
        let place = path.isEmpty ? key : path + "." + key
        if let found = difference(old[key] ?? .null, new[key] ?? .null, place) { return found }
      }
      return nil
    }
    if let old = old.doubleValue, let new = new.doubleValue, old == new { return nil }
    return old == new ? nil : "\(path): \(short(old)) there, \(short(new)) now"
  }

  private static func short(_ value: JSONValue) -> String {
    let text = value.serialized()
    return text.count > 60 ? String(text.prefix(60)) + "…" : text
  }
}
