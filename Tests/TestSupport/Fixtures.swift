import Foundation

/// The reference files that conformance tests read.
///
/// They list folders instead of naming files, so the same tests run on another set with the same
/// layout: set `APUS_FIXTURES` to its root.
public enum Fixtures {
  /// `APUS_FIXTURES`, or `Tests/Fixtures` of this checkout.
  public static let root: String =
    ProcessInfo.processInfo.environment["APUS_FIXTURES"] ?? checkout + "/Tests/Fixtures"

  /// The root of the checkout that this file was compiled from.
  public static let checkout: String = {
    var url = URL(fileURLWithPath: #filePath)
    for _ in 0..<3 { url.deleteLastPathComponent() }
    return url.path.hasSuffix("/") ? String(url.path.dropLast()) : url.path
  }()

  /// The path of a folder below the root, such as `transformer/malformed/gguf`.
  public static func folder(_ name: String) -> String { root + "/" + name }

  /// The path of a file below the root.
  public static func file(_ name: String) -> String { root + "/" + name }

  /// The names of the files in a folder below the root, sorted; empty when there is no such folder.
  public static func names(in folder: String, suffix: String = "") -> [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: self.folder(folder))) ?? []
    return names.filter { $0.hasSuffix(suffix) }.sorted()
  }
}

/// Real models and data sets, which are not part of the checkout.
public enum DataFolder {
  /// `APUS_DATA`, or `shared/data` beside the checkout.
  public static let root: String =
    ProcessInfo.processInfo.environment["APUS_DATA"] ?? Fixtures.checkout + "/../shared/data"

  /// Whether a file or folder below the root exists: the condition of `.enabled(if:)`.
  public static func has(_ name: String) -> Bool {
    FileManager.default.fileExists(atPath: path(name))
  }

  /// The path of a file or folder below the root.
  public static func path(_ name: String) -> String { root + "/" + name }

  /// Why a test that needs `name` is skipped.
  public static func skipMessage(_ name: String) -> String {
    "needs \(name) under \(root): set APUS_DATA to the folder that has it"
  }
}
