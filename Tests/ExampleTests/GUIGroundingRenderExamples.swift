import Foundation
import GUIGroundingRender
import TestSupport
import Testing

/// The code of the page of the module GUIGroundingRender.
@Suite(.timeLimit(.minutes(10))) struct GUIGroundingRenderExamples {
  private static let hasBrowser = (try? BrowserProgram.find()) != nil

  private static let page = """
    <!DOCTYPE html><html><head><meta charset="utf-8"><title>Chapters</title></head><body>
    \((0..<30).map { "<p style='height:60px'><a href='#\($0)'>Chapter \($0)</a></p>" }.joined())
    </body></html>
    """

  @Test(.enabled(if: hasBrowser, "needs Chromium or Chrome on the PATH"))
  func pagesBecomeRows() async {
    await #expect(processExitsWith: .success) {
      await inFreshFolder {
        let folder = "html"
        try FileManager.default.createDirectory(
          atPath: folder,
          withIntermediateDirectories: false
        )
        try Data(Self.page.utf8).write(to: URL(filePath: folder + "/chapters.html"))
        // folder: "/usr/share/doc/python3/html"
        let pages = try PageSet.find(name: "python-doc", in: folder, limit: 500)
        let renderer = PageRenderer(settings: RenderSettings(seed: 1))
        let report = try await renderer.render([pages], into: "pages") { print($0.page, $0.rows) }
        try RenderOverlays.write(in: "pages", count: 20)
        let rows = try String(contentsOfFile: "pages/elements.jsonl", encoding: .utf8)
        #expect(report.pages == 1 && report.failures.isEmpty && report.kept > 5)
        #expect(rows.split(separator: "\n").count == report.kept)
      }
    }
  }
}
