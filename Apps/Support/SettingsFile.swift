import Checkpoints

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// A JSON file beside results that says what they were made with: work goes on only with the same.
public enum SettingsFile {
  /// Writes the file, or compares it with the one that is there.
  ///
  /// - Parameters:
  ///   - value: the settings.
  ///   - path: where the file is.
  ///   - what: what has settings, for the message: "run", "study".
  /// - Throws: `CommandFailure` that names the first difference.
  public static func claim(_ value: some Encodable, at path: String, what: String) throws {
    let text = try jsonText(value) + "\n"
    guard FileManager.default.fileExists(atPath: path) else {
      return try AtomicFile.write(text, to: path)
    }
    let (old, new) = (try JSONValue.read(path), try JSONValue.parse(text))
    guard let difference = old.firstDifference(to: new) else { return }
    throw CommandFailure(
      "\(path) belongs to \("aeiou".contains(what.prefix(1)) ? "an" : "a") \(what) with other settings (\(difference)); repeat its command to go "
        + "on, or choose a new folder"
    )
  }
}
