import Foundation
import GUIGrounding
import TestSupport

@testable import GUIGroundingRender

/// Where tests find a browser, and pages for it.
enum Pages {
  /// The browser of this machine.
  static let browser = try? BrowserProgram.find()
  static let hasBrowser = browser != nil
  static let skipMessage =
    "needs Chromium or Chrome on the PATH; without one nothing of the browser is tested"

  static let size = PixelSize(width: 640, height: 480)

  /// Writes a page into a folder.
  static func write(_ body: String, _ name: String, in folder: String) throws {
    let text = """
      <!DOCTYPE html><html><head><meta charset="utf-8"><title>\(name)</title>
      <style>body { margin: 0; font: 16px/20px sans-serif; position: relative }</style></head>
      <body>\(body)</body></html>
      """
    try Data(text.utf8).write(to: URL(fileURLWithPath: folder + "/" + name))
  }

  /// What the script finds on a page.
  static func extract(
    _ body: String,
    scrolledTo offset: Int = 0
  ) async throws -> PageExtract {
    try await withTemporaryFolder { folder in
      try write(body, "page.html", in: folder)
      let browser = try await ChromiumBrowser.start()
      do {
        let page = try await browser.openPage()
        try await page.resize(to: size)
        try await page.open(file: folder + "/page.html")
        try await page.settle(atScrollOffset: offset)
        let extract = try PageExtract(try await page.evaluate(ExtractionScript.source))
        await browser.close()
        return extract
      } catch {
        await browser.close()
        throw error
      }
    }
  }

  /// A place for a positioned element.
  static func at(_ x: Double, _ y: Double, _ width: Double, _ height: Double) -> String {
    "position:absolute;left:\(x)px;top:\(y)px;width:\(width)px;height:\(height)px;"
      + "padding:0;border:0;margin:0;box-sizing:border-box;overflow:hidden"
  }
}
