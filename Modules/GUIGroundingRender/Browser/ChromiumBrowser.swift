import Checkpoints
import Foundation

/// A headless Chromium that this process drives.
///
///     let browser = try await ChromiumBrowser.start()
///     let page = try await browser.openPage()
///     try await page.show("/usr/share/doc/index.html", size: PixelSize(width: 1280, height: 720))
///     let png = try await page.screenshot()
///     await browser.close()
///
/// The browser is spoken to through its debugging pipe, so no port is open and nothing but the
/// system is needed. It has a profile of its own, which is new and goes with it; no key or token of
/// this process's environment reaches it; unless allowed, no request leaves the machine. It ends
/// with `close()`, with the object, and with this process.
public final class ChromiumBrowser: Sendable {
  /// The oldest version whose headless mode is the browser itself.
  public static let oldestVersion = 112

  /// The program.
  public let path: String
  /// The version: `156.0.8078.108`.
  public let version: String
  private let process: BrowserProcess
  private let connection: DevToolsConnection
  private let profile: String

  private init(
    path: String,
    version: String,
    process: BrowserProcess,
    connection: DevToolsConnection,
    profile: String
  ) {
    self.path = path
    self.version = version
    self.process = process
    self.connection = connection
    self.profile = profile
  }

  deinit {
    connection.disconnect()
    process.kill()
    try? FileManager.default.removeItem(atPath: profile)
  }

  /// Starts a browser.
  ///
  /// - Parameters:
  ///   - path: the program; nil looks for one.
  ///   - network: what its pages may reach.
  ///   - seconds: how long the start may take.
  /// - Returns: the browser, without pages.
  /// - Throws: `BrowserError`.
  public static func start(
    path: String? = nil,
    network: NetworkAccess = .blocked,
    seconds: Double = 30
  ) async throws(BrowserError) -> ChromiumBrowser {
    let path = try BrowserProgram.find(path)
    removeLeftProfiles()
    let profile = try makeProfile(path)
    let log = profile + "/log.txt"
    let process: BrowserProcess
    do throws(BrowserError) {
      process = try BrowserProcess(
        [path] + arguments(profile: profile, network: network),
        environment: environment(profile: profile),
        log: log
      )
    } catch {
      try? FileManager.default.removeItem(atPath: profile)
      throw error
    }
    let connection = DevToolsConnection(socket: process.socket) { endOfLog(log) }
    do throws(BrowserError) {
      let version = try await version(connection, path, seconds)
      return ChromiumBrowser(
        path: path,
        version: version,
        process: process,
        connection: connection,
        profile: profile
      )
    } catch {
      connection.disconnect()
      process.kill()
      _ = await process.waitForEnd(seconds: 5)
      try? FileManager.default.removeItem(atPath: profile)
      throw error
    }
  }

  private static func version(
    _ connection: DevToolsConnection,
    _ path: String,
    _ seconds: Double
  ) async throws(BrowserError) -> String {
    let answer = try await connection.call("Browser.getVersion", seconds: seconds)
    let product = answer["product"]?.stringValue ?? ""
    let version = product.split(separator: "/").last.map(String.init) ?? ""
    guard let major = version.split(separator: ".").first.flatMap({ Int($0) }) else {
      throw .malformed("version \"\(product)\"")
    }
    guard major >= oldestVersion else {
      throw .tooOld(path: path, version: version, needed: oldestVersion)
    }
    return version
  }

  /// Opens an empty page.
  ///
  /// - Throws: `BrowserError`.
  public func openPage() async throws(BrowserError) -> BrowserPage {
    let target = try await connection.call("Target.createTarget", ["url": "about:blank"])
    guard let target = target["targetId"]?.stringValue else { throw .malformed("no target") }
    let attached = try await connection.call(
      "Target.attachToTarget",
      ["targetId": .string(target), "flatten": true]
    )
    guard let session = attached["sessionId"]?.stringValue else { throw .malformed("no session") }
    try await connection.call("Page.enable", session: session)
    try await connection.call("Runtime.enable", session: session)
    try await connection.call("Inspector.enable", session: session)
    return BrowserPage(connection: connection, target: target, session: session)
  }

  /// Whether the browser is gone.
  public var isOver: Bool { process.isOver }

  /// Ends the browser: asks it, and after five seconds makes it; then removes its profile.
  public func close() async {
    // A cancelled task must end its browser all the same.
    let closing = Task { [connection] in
      _ = try? await connection.call("Browser.close", seconds: 5)
    }
    await closing.value
    if await !process.waitForEnd(seconds: 5) {
      process.kill()
      _ = await process.waitForEnd(seconds: 5)
    }
    connection.disconnect()
    try? FileManager.default.removeItem(atPath: profile)
  }

  /// The number of the browser's process.
  package var processNumber: Int32 { process.number }
  /// The folder of the browser's profile.
  package var profileFolder: String { profile }
}

/// What pages may reach.
public enum NetworkAccess: String, Codable, Hashable, Sendable {
  /// Files of this machine only.
  case blocked
  /// Whatever they ask for.
  case allowed
}
