import Foundation

/// Finds the program of a Chromium browser.
public enum BrowserProgram {
  /// What programs are called, best first.
  static let names = [
    "chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome",
    "chrome-headless-shell", "microsoft-edge",
  ]

  /// Where application bundles have it.
  static let bundles = [
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
  ]

  /// The program to start.
  ///
  /// - Parameter path: the program that the user names; nil looks for one on the `PATH` and in the
  ///   usual application bundles.
  /// - Returns: its path.
  /// - Throws: `BrowserError.notFound`.
  public static func find(_ path: String? = nil) throws(BrowserError) -> String {
    try find(path, searchPath: ProcessInfo.processInfo.environment["PATH"] ?? "", bundles: bundles)
  }

  static func find(
    _ path: String?,
    searchPath: String,
    bundles: [String]
  ) throws(BrowserError) -> String {
    if let path {
      guard isProgram(path) else { throw .notFound(searched: [path]) }
      return path
    }
    let folders = searchPath.split(separator: ":").map(String.init)
    for name in names {
      if let found = folders.map({ "\($0)/\(name)" }).first(where: isProgram) { return found }
    }
    let home = FileManager.default.homeDirectoryForCurrentUser.path
    if let found = (bundles + bundles.map { home + $0 }).first(where: isProgram) { return found }
    throw .notFound(searched: names + bundles)
  }

  private static func isProgram(_ path: String) -> Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
      && !isFolder.boolValue && FileManager.default.isExecutableFile(atPath: path)
  }
}
