import ArgumentParser
import Foundation
import GUIGrounding
import GUIGroundingRender
import Support

/// `pages`: screenshots of web pages with instructions.
struct PagesCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pages",
    abstract: "Render folders of HTML through Chromium into screenshots with instructions.",
    discussion: """
      A SET is a folder with HTML files, or NAME=FOLDER. The output is a folder: elements.jsonl (one \
      row for each instruction, the native layout), images/, report.json. Run the same command again \
      to go on after an interruption. Pages reach no network unless --allow-network says so.

      EXAMPLES
        apus-ground pages /usr/share/doc/python3/html --limit 200 --output pages
        apus-ground pages manual=docs/html --viewports 1280x720 --viewports 480x800 --output pages
      """
  )

  @Argument(help: ArgumentHelp("Folders of HTML files.", valueName: "set"))
  var sets: [String]
  @Option(name: .shortAndLong, help: ArgumentHelp("The folder to write.", valueName: "folder"))
  var output: String
  @Option(parsing: .upToNextOption, help: "The sizes in which each page is shown.")
  var viewports = [PixelSize(width: 1280, height: 720), PixelSize(width: 480, height: 800)]
  @Option(help: "The most pages of a set. (default: all)")
  var limit: Int?
  @Option(help: "Smaller files are left out: redirections mostly.")
  var minimumBytes = 1024
  @Option(help: "Pictures of a page in each size.")
  var shots = 1
  @Option(help: "Pictures with fewer elements are left out.")
  var minimumElements = 3
  @Option(help: "The most elements of a picture.")
  var maximumElements = 24
  @Option(help: "The share of pages for testing.")
  var testShare = 0.25
  @Option(help: "Seconds that a page may take to load.")
  var loadSeconds = 20.0
  @Option(help: "The seed of scroll offsets, elements, phrases and splits.")
  var seed: UInt64 = 0
  @Option(help: ArgumentHelp("The browser's program. (default: found)", valueName: "file"))
  var browser: String?
  @Flag(help: "Pages may reach the network.")
  var allowNetwork = false
  @OptionGroup(title: "Output") var display: OutputArguments

  func validate() throws {
    guard !sets.isEmpty else { throw ValidationError("name at least one folder") }
    guard !viewports.isEmpty else { throw ValidationError("--viewports needs a size") }
    guard limit ?? 1 > 0, minimumBytes >= 0 else {
      throw ValidationError("--limit must be above 0, --minimum-bytes 0 or more")
    }
  }

  func run() async throws {
    var settings = RenderSettings(viewports: viewports, seed: seed)
    settings.shotsPerViewport = shots
    settings.minimumElements = minimumElements
    settings.maximumElements = maximumElements
    settings.testShare = testShare
    settings.loadSeconds = loadSeconds
    settings.network = allowNetwork ? .allowed : .blocked
    let sets = try sets.map { try pageSet($0) }
    try makeOutputFolder(output)
    let renderer = PageRenderer(settings: settings, browserPath: browser)
    let reporter = display.progress("rendering", unit: "pages")
    defer { reporter.clear() }
    let report = try await renderer.render(sets, into: output) { progress in
      reporter.update(
        completed: progress.finished,
        total: progress.total,
        note: "\(progress.rows.counted("row")), \(progress.page)"
      )
    }
    reporter.clear()
    try StandardStream.output.writeLine(
      display.json ? jsonText(report) : table(report).text(width: StandardStream.output.columnCount)
    )
  }

  private func pageSet(_ text: String) throws -> PageSet {
    let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    let folder = parts.count == 2 ? String(parts[1]) : text
    let name = parts.count == 2 ? String(parts[0]) : URL(filePath: folder).lastPathComponent
    let plain = name.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "-" }
    return try PageSet.find(
      name: String(String(plain).prefix(60)),
      in: folder,
      limit: limit ?? .max,
      minimumByteCount: minimumBytes,
      seed: seed
    )
  }

  private func table(_ report: RenderReport) -> Table {
    var table = Table(["result", .number("value")])
    table.add("pages", report.pages.grouped)
    for (reason, count) in report.failures.sorted(by: { $0.key < $1.key }) {
      table.add("without a picture: \(reason)", count.grouped)
    }
    table.add("pictures", report.shots.grouped)
    table.add("elements in view", report.found.grouped)
    table.add("rows", report.kept.grouped)
    for (name, count) in report.splits.sorted(by: { $0.key < $1.key }) {
      table.add("rows, \(name)", count.grouped)
    }
    table.add("ambiguous", report.ambiguous.grouped)
    for (reason, count) in report.rejected.sorted(by: { $0.key < $1.key }) {
      table.add("rejected: \(reason)", count.grouped)
    }
    table.add("written", output)
    return table
  }
}
