import ArgumentParser
import Checkpoints
import Foundation
import GUIGrounding
import Support

/// `sites`: web pages of coloured icons.
struct SitesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sites",
    abstract: "Write web sites of coloured icons: HTML that 'pages' renders for native policies.",
    discussion: """
      A site has a layout (toolbar, table, cards and others, in turn) and a theme of its own; each of \
      its pages has six to ten icons that are buttons, named by colour and shape. The output is a \
      folder with a folder for each site.

      EXAMPLES
        apus-ground sites --sites 24 --output known
        apus-ground pages known --viewports 320x240 240x320 --test-share 0 --output training
        apus-ground sites --first 24 --sites 12 --output unseen
        apus-ground pages unseen --viewports 288x200 --test-share 1 --output test
        apus-ground study --training training --test test --output study
      """
  )

  @Option(help: "The number of sites.")
  var sites = 24
  @Option(help: "The number of the first site; after 12 the layouts come again.")
  var first = 0
  @Option(help: "The pages of a site.")
  var pages = 30
  @Option(help: "The seed of themes and pages.")
  var seed: UInt64 = 1
  @Option(name: .shortAndLong, help: ArgumentHelp("The folder to write.", valueName: "folder"))
  var output: String
  @OptionGroup(title: "Output") var display: OutputArguments

  func validate() throws {
    guard (1...1 << 16).contains(sites), (0...1 << 30).contains(first),
      (1...1 << 16).contains(pages)
    else { throw ValidationError("--sites and --pages must be 1 to 65,536, --first 0 or more") }
  }

  private struct Document: Encodable {
    var sites: Int
    var pages: Int
    var layouts: [String]
    var folder: String
  }

  private static let settingsName = "sites.json"

  private struct Settings: Codable {
    var sites: Int
    var first: Int
    var pages: Int
    var seed: UInt64
  }

  func run() throws {
    try claimFolder(output, holding: Self.settingsName)
    let settings = Settings(sites: sites, first: first, pages: pages, seed: seed)
    try SettingsFile.claim(settings, at: output + "/" + Self.settingsName, what: "folder of sites")
    let reporter = display.progress("writing", unit: "sites")
    defer { reporter.clear() }
    for number in first..<first + sites {
      try Cancellation.check("run the same command again for the other sites")
      let site = SyntheticSite(number: number, seed: seed)
      let folder = "\(output)/site-\(number)-\(site.layout.rawValue)"
      try makeOutputFolder(folder)
      for page in 0..<pages {
        try AtomicFile.write(site.html(page: page), to: "\(folder)/page-\(page).html")
      }
      reporter.update(completed: number - first + 1, total: sites)
    }
    reporter.clear()
    let document = Document(
      sites: sites,
      pages: sites * pages,
      layouts: SyntheticSite.Layout.allCases.map(\.rawValue),
      folder: output
    )
    try StandardStream.output.writeLine(
      display.json
        ? jsonText(document)
        : "\(sites.counted("site")) of \(pages.counted("page")) each in \(output)"
    )
  }
}
