import Checkpoints
import Foundation
import GUIGrounding
import ImageFiles
import TestSupport
import Testing

@testable import GUIGroundingRender

/// Whole runs with a browser.
@Suite(
  .serialized,
  .enabled(if: Pages.hasBrowser, "\(Pages.skipMessage)"),
  .timeLimit(.minutes(10))
)
struct PageRendererTests {
  private static let linksPage = (0..<12).map { index in
    "<p style='height:90px'><a href='#\(index)'>Chapter \(index)</a> <button>Act \(index)</button></p>"
  }.joined()

  /// Pages that behave, one after the other.
  private func writePages(_ count: Int, in folder: String) throws -> PageSet {
    let source = folder + "/source"
    try FileManager.default.createDirectory(atPath: source, withIntermediateDirectories: true)
    for index in 0..<count {
      try Pages.write("<h1>\(index)</h1>" + Self.linksPage, "page-\(index).html", in: source)
    }
    return try PageSet.find(name: "demo", in: source, minimumByteCount: 10)
  }

  private func settings(_ seed: UInt64 = 1) -> RenderSettings {
    RenderSettings(viewports: [Pages.size, PixelSize(width: 320, height: 400)], seed: seed)
  }

  private func rows(_ folder: String) throws -> [JSONValue] {
    let text = try String(contentsOfFile: folder + "/elements.jsonl", encoding: .utf8)
    return try text.split(separator: "\n").map { try JSONValue.parse(String($0)) }
  }

  /// Every layout of a synthetic site shows icons that native policies can be asked for.
  @Test func sitesOfIconsBecomeRows() async throws {
    try await withTemporaryFolder { folder in
      let (source, out) = (folder + "/sites", folder + "/out")
      try FileManager.default.createDirectory(atPath: source, withIntermediateDirectories: true)
      for number in SyntheticSite.Layout.allCases.indices {
        let site = SyntheticSite(number: number, seed: 2)
        try Data(site.html(page: 0).utf8)
          .write(to: URL(filePath: "\(source)/\(site.layout.rawValue).html"))
      }
      let set = try PageSet.find(name: "sites", in: source, minimumByteCount: 10)
      let settings = RenderSettings(viewports: [PixelSize(width: 320, height: 240)], seed: 1)
      let report = try await PageRenderer(settings: settings).render([set], into: out)
      #expect(report.shots == SyntheticSite.Layout.allCases.count && report.ambiguous == 0)
      var names: [String: Int] = [:]
      for row in try rows(out) {
        #expect(row["kind"] == "button" && row["data_type"] == "icon" && row["ordinal"] == .null)
        #expect(SyntheticInstruction(row["instruction"]?.stringValue ?? "") != nil)
        names[row["page"]?.stringValue ?? "", default: 0] += 1
      }
      #expect(names.count == report.shots && names.values.allSatisfy { $0 >= 4 }, "\(names)")
    }
  }

  @Test func rowsAreOfTheDocumentedForm() async throws {
    try await withTemporaryFolder { folder in
      let set = try writePages(2, in: folder)
      let out = folder + "/out"
      let report = try await PageRenderer(settings: settings()).render([set], into: out)
      let rows = try rows(out)
      #expect(report.shots == 4 && report.pages == 2 && report.failures.isEmpty)
      #expect(report.kept == rows.count && rows.count > 20)
      for row in rows {
        #expect(
          row.objectValue?.keys == [
            "id", "image", "image_size", "instruction", "bbox", "boxes", "kind", "name",
            "data_type", "ordinal", "region", "source", "page", "title", "scroll_y",
            "device_scale", "split",
          ]
        )
        let path = out + "/" + (row["image"]?.stringValue ?? "")
        let image = try RGBImage(contentsOf: path)
        #expect(row["image_size"]?[0]?.intValue == image.size.width)
        #expect(row["image_size"]?[1]?.intValue == image.size.height)
        #expect(row["split"] == "train" || row["split"] == "test")
      }
      let ids = rows.compactMap { $0["id"]?.stringValue }
      #expect(Set(ids).count == rows.count)
      // A page is never in two parts of the data.
      for (_, group) in Dictionary(grouping: rows, by: { $0["page"]?.stringValue ?? "" }) {
        #expect(Set(group.compactMap { $0["split"]?.stringValue }).count == 1)
      }
    }
  }

  /// The box of a link holds its blue letters, and the pixels around it do not.
  @Test func boxesLieWhereThePictureHasTheElement() async throws {
    try await withTemporaryFolder { folder in
      let source = folder + "/source"
      try FileManager.default.createDirectory(atPath: source, withIntermediateDirectories: true)
      let body = (0..<4).map { index in
        "<a href='#' style='\(Pages.at(Double(37 + 90 * index), Double(50 + 61 * index), 40, 30))"
          + ";background:rgb(10,20,\(30 + index))' aria-label='N\(index)'></a>"
      }.joined()
      try Pages.write(body, "page.html", in: source)
      let set = try PageSet.find(name: "demo", in: source, minimumByteCount: 10)
      try await PageRenderer(settings: settings()).render([set], into: folder + "/out")
      let rows = try rows(folder + "/out").filter { $0["image_size"]?[0] == 640 }
      #expect(rows.count == 4)
      for row in rows {
        let image = try RGBImage(contentsOf: folder + "/out/" + (row["image"]?.stringValue ?? ""))
        let index = Int(row["name"]?.stringValue?.dropFirst() ?? "") ?? 0
        let color = RGBColor(10, 20, UInt8(30 + index))
        let box = try #require(row["bbox"]?.arrayValue).map { Int($0.doubleValue ?? -1) }
        #expect(image[x: box[0], y: box[1]] == color)
        #expect(image[x: box[2] - 1, y: box[3] - 1] == color)
        #expect(image[x: box[0] - 1, y: box[1]] == .white)
        #expect(image[x: box[2], y: box[3] - 1] == .white)
      }
    }
  }

  @Test func anInterruptedRunEndsLikeOneThatWasNot() async throws {
    try await withTemporaryFolder { folder in
      let set = try writePages(3, in: folder)
      let whole = folder + "/whole"
      var settings = settings()
      settings.viewports = [Pages.size]
      let renderer = PageRenderer(settings: settings)
      let report = try await renderer.render([set], into: whole)
      let parts = folder + "/parts"
      let task = Task {
        try await renderer.render([set], into: parts) { progress in
          if progress.finished == 1 { withUnsafeCurrentTask { $0?.cancel() } }
        }
      }
      await #expect(throws: CancellationError.self) { try await task.value }
      let half = try rows(parts)
      #expect(half.count > 0 && half.count < report.kept)
      // The process died in the middle of a line.
      let journal = URL(fileURLWithPath: parts + "/journal.jsonl")
      let handle = try FileHandle(forWritingTo: journal)
      try handle.seekToEnd()
      try handle.write(contentsOf: Data("{\"set\":\"demo\",\"pa".utf8))
      try handle.close()
      var pages: [String] = []
      let again = try await renderer.render([set], into: parts) { pages.append($0.page) }
      #expect(pages.count == 2 && again == report)
      try expectSame(whole, parts)
      // A picture that is gone is made again, and nothing else.
      let image = try #require(try rows(parts).first?["image"]?.stringValue)
      try FileManager.default.removeItem(atPath: parts + "/" + image)
      pages = []
      let third = try await renderer.render([set], into: parts) { pages.append($0.page) }
      #expect(pages.count == 1 && third == report)
      #expect(FileManager.default.fileExists(atPath: parts + "/" + image))
      #expect(try rows(parts) == rows(whole))
    }
  }

  private func expectSame(_ whole: String, _ parts: String) throws {
    for name in ["elements.jsonl", "journal.jsonl"] {
      let a = try Data(contentsOf: URL(fileURLWithPath: whole + "/" + name))
      let b = try Data(contentsOf: URL(fileURLWithPath: parts + "/" + name))
      #expect(a == b, "\(name)")
    }
  }

  @Test func otherSettingsAreRefused() async throws {
    try await withTemporaryFolder { folder in
      let set = try writePages(1, in: folder)
      let out = folder + "/out"
      try await PageRenderer(settings: settings(1)).render([set], into: out)
      let error = try await #require(throws: RenderError.self) {
        try await PageRenderer(settings: settings(2)).render([set], into: out)
      }
      #expect("\(error)".contains("seed: 1 there, 2 now"))
    }
  }

  @Test func theLoaderReadsWhatIsWritten() async throws {
    try await withTemporaryFolder { folder in
      let set = try writePages(1, in: folder)
      let report = try await PageRenderer(settings: settings()).render([set], into: folder + "/out")
      let items = try GroundingDataset.load(folder + "/out", layout: .native).items
      #expect(items.count == report.kept && items.allSatisfy { $0.target.isScorable })
      let overlays = try RenderOverlays.write(in: folder + "/out", count: 1)
      let marked = try RGBImage(contentsOf: try #require(overlays.first))
      let plain = try RGBImage(contentsOf: folder + "/out/" + items[0].imagePath)
      #expect(marked.size.width == 640 || marked.size.width == 320)
      #expect(marked != plain)
    }
  }

  /// Pages that do everything a page should not.
  @Test func hostilePagesDoNotStopARun() async throws {
    try await withTemporaryFolder { folder in
      let source = folder + "/source"
      try FileManager.default.createDirectory(atPath: source, withIntermediateDirectories: true)
      let links = Self.linksPage
      let scripts = [
        "alert": "alert('stop'); confirm('x'); prompt('y');",
        "leave": "window.onbeforeunload = () => 'stay'; ",
        "loop": "while (true) {}",
        "moved": "location.href = 'good.html';",
        "popup": "for (let i = 0; i < 20; i++) window.open('good.html');",
        "crash": "location.href = 'chrome://crash';",
        "network": "fetch('http://127.0.0.1:1/').catch(() => 0);",
      ]
      for (name, script) in scripts {
        try Pages.write(links + "<script>\(script)</script>", name + ".html", in: source)
      }
      try Pages.write(links, "good.html", in: source)
      var settings = settings()
      settings.viewports = [Pages.size]
      settings.loadSeconds = 4
      let names = ["alert", "leave", "loop", "moved", "popup", "crash", "network", "good", "gone"]
      let set = PageSet(name: "bad", folder: source, pages: names.map { $0 + ".html" })
      var failures: [String: String] = [:]
      let report = try await PageRenderer(settings: settings)
        .render([set], into: folder + "/out") { failures[$0.page] = $0.failure }
      #expect(failures["bad/loop.html"]?.contains("no answer") == true)
      #expect(failures["bad/moved.html"]?.contains("good.html") == true)
      #expect(failures["bad/gone.html"]?.contains("no such file") == true)
      for name in ["alert", "leave", "popup", "network", "good"] {
        let failure = failures["bad/\(name).html"]
        #expect(failure == nil, "\(name): \(failure ?? "")")
      }
      #expect(report.pages >= 5)
      #expect(report.failures["no answer in time"] == 1)
      #expect(report.failures["does not open, or leads elsewhere"] ?? 0 >= 2)
    }
  }

  @Test func browsersThatEndAreStartedAgain() async throws {
    try await withTemporaryFolder { folder in
      let set = try writePages(2, in: folder)
      let keeper = BrowserKeeper(path: nil, network: .blocked, limit: 100)
      try FileManager.default.createDirectory(
        atPath: folder + "/images",
        withIntermediateDirectories: true
      )
      for page in set.pages {
        let session = PageSession(settings: settings(), set: set, page: page, folder: folder)
        let record = try await keeper.record(session)
        #expect(record.failure == nil && record.shots.count == 2)
        // It dies between two pages, whoever did it.
        let number = try #require(keeper.processNumber)
        kill(number, SIGKILL)
      }
      await keeper.close()
    }
  }

  @Test func closingLeavesNothingBehind() async throws {
    let browser = try await ChromiumBrowser.start()
    let (number, profile) = (browser.processNumber, browser.profileFolder)
    #expect(FileManager.default.fileExists(atPath: profile))
    _ = try await browser.openPage()
    await browser.close()
    #expect(browser.isOver && kill(number, 0) != 0)
    #expect(!FileManager.default.fileExists(atPath: profile))
  }

  @Test func pagesReachNothingButFiles() async throws {
    try await withTemporaryFolder { folder in
      try Pages.write("<p>x</p>", "page.html", in: folder)
      let browser = try await ChromiumBrowser.start()
      let page = try await browser.openPage()
      for url in ["http://127.0.0.1:80/", "http://example.org/", "https://[::1]/"] {
        await #expect(throws: BrowserError.self) { try await page.open(url) }
      }
      try await page.open(file: folder + "/page.html")
      let script = "fetch('http://localhost:80/').then(() => 'reached', () => 'blocked')"
      #expect(try await page.evaluate(script) == "blocked")
      await browser.close()
    }
  }

  @Test func setsAreCheckedBeforeABrowserStarts() async throws {
    try await withTemporaryFolder { folder in
      let renderer = PageRenderer(settings: settings(), browserPath: "/no/browser")
      for set in [
        PageSet(name: "a b", folder: folder, pages: ["x.html"]),
        PageSet(name: "a", folder: folder, pages: []),
        PageSet(name: "a", folder: folder, pages: ["x.html", "x.html"]),
        PageSet(
          name: "a",
          folder: folder,
          pages: ["x"],
          viewports: [PixelSize(width: 1, height: 1)]
        ),
      ] {
        await #expect(throws: RenderError.self) {
          try await renderer.render([set], into: folder + "/out")
        }
        #expect(!FileManager.default.fileExists(atPath: folder + "/out"))
      }
      let error = try await #require(throws: RenderError.self) {
        try await renderer.render(
          [PageSet(name: "a", folder: folder, pages: ["x.html"])],
          into: folder + "/out"
        )
      }
      #expect(error == .browser(.notFound(searched: ["/no/browser"])))
    }
  }
}
