package import Checkpoints
import Foundation
public import GUIGrounding

/// A page of a browser: one tab, which one task uses.
public final class BrowserPage: Sendable {
  private let connection: DevToolsConnection
  private let target: String
  private let session: String

  init(connection: DevToolsConnection, target: String, session: String) {
    self.connection = connection
    self.target = target
    self.session = session
  }

  /// Sets the size of the viewport in CSS pixels, which are the pixels of screenshots.
  ///
  /// - Throws: `BrowserError`.
  public func resize(to size: PixelSize) async throws(BrowserError) {
    try await connection.call(
      "Emulation.setDeviceMetricsOverride",
      [
        "width": .integer(Int64(size.width)), "height": .integer(Int64(size.height)),
        "deviceScaleFactor": 1, "mobile": false,
      ],
      session: session
    )
  }

  /// Opens a file of this machine and waits until it has loaded.
  ///
  /// - Parameters:
  ///   - path: the HTML file.
  ///   - seconds: how long that may take.
  /// - Throws: `BrowserError`.
  public func open(file path: String, seconds: Double = 20) async throws(BrowserError) {
    // A relative path would depend on the folder the program runs in.
    let url = URL(fileURLWithPath: path).standardizedFileURL
    guard FileManager.default.isReadableFile(atPath: url.path) else {
      throw .navigation(page: path, reason: "no such file, or it may not be read")
    }
    try await open(url.absoluteString, seconds: seconds)
  }

  /// Opens a URL and waits until it has loaded; only `file:` and `about:` ones work unless the
  /// browser was started with access to the network.
  ///
  /// - Throws: `BrowserError`.
  public func open(_ url: String, seconds: Double = 20) async throws(BrowserError) {
    try await connection.event("Page.loadEventFired", session: session, seconds: seconds) {
      () async throws(BrowserError) in
      let answer = try await connection.call(
        "Page.navigate",
        ["url": .string(url)],
        session: session,
        seconds: seconds
      )
      if let reason = answer["errorText"]?.stringValue, !reason.isEmpty {
        throw .navigation(page: url, reason: reason)
      }
    }
  }

  /// Runs an expression on the page.
  ///
  /// - Parameters:
  ///   - script: the expression; a promise is waited for.
  ///   - seconds: how long it may run.
  /// - Returns: its value, as JSON has it.
  /// - Throws: `BrowserError`.
  package func evaluate(
    _ script: String,
    seconds: Double = 20
  ) async throws(BrowserError) -> JSONValue {
    let answer = try await connection.call(
      "Runtime.evaluate",
      [
        "expression": .string(script), "returnByValue": true, "awaitPromise": true,
        "timeout": .number(seconds * 1000),
      ],
      session: session,
      seconds: seconds + 5
    )
    if let fault = answer["exceptionDetails"] {
      let text = fault["exception"]?["description"]?.stringValue ?? fault["text"]?.stringValue
      throw .script(String((text ?? "failed").prefix(300)))
    }
    return answer["result"]?["value"] ?? .null
  }

  /// Scrolls, and waits until fonts are there and two frames are drawn.
  ///
  /// - Throws: `BrowserError`.
  package func settle(atScrollOffset y: Int, seconds: Double = 20) async throws(BrowserError) {
    _ = try await evaluate(
      """
      (async () => {
        window.scrollTo({left: 0, top: \(y), behavior: 'instant'});
        await document.fonts.ready;
        const frame = () => new Promise(done => requestAnimationFrame(done));
        await frame();
        await frame();
      })()
      """,
      seconds: seconds
    )
  }

  /// What the viewport shows, as a PNG file.
  ///
  /// - Throws: `BrowserError`.
  public func screenshot() async throws(BrowserError) -> [UInt8] {
    let answer = try await connection.call(
      "Page.captureScreenshot",
      ["format": "png", "captureBeyondViewport": false],
      session: session,
      seconds: 60
    )
    guard let text = answer["data"]?.stringValue, let data = Data(base64Encoded: text) else {
      throw .malformed("a screenshot without data")
    }
    return Array(data)
  }

  /// Closes the page; what goes wrong with that shows elsewhere.
  public func close() async {
    let closing = Task { [connection, target] in
      let parameters: JSONObject = ["targetId": .string(target)]
      _ = try? await connection.call("Target.closeTarget", parameters, seconds: 5)
    }
    await closing.value
  }
}
