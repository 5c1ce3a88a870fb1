public import GUIGrounding

/// How pages become pictures and instructions.
public struct RenderSettings: Codable, Hashable, Sendable {
  /// The sizes in which each page is shown, in CSS pixels.
  public var viewports: [PixelSize]
  /// Pictures of a page in each size; the first at a place drawn as below, others further down.
  public var shotsPerViewport: Int
  /// How often a page that is longer than the viewport is shown from its top.
  public var topShare: Double
  /// Pictures with fewer elements are left out.
  public var minimumElements: Int
  /// The most elements of a picture.
  public var maximumElements: Int
  /// The share of pages for testing, in sets that are split by page.
  public var testShare: Double
  /// Seconds that a page may take to load.
  public var loadSeconds: Double
  /// What pages may reach.
  public var network: NetworkAccess
  /// Where all draws start: scroll offsets, elements, phrases, splits.
  public var seed: UInt64

  /// Settings.
  ///
  /// Choice: two sizes, four of ten long pages from the top, 3 to 24 elements, a quarter for tests.
  public init(
    viewports: [PixelSize] = [
      PixelSize(width: 1280, height: 720), PixelSize(width: 480, height: 800),
    ],
    seed: UInt64 = 0
  ) {
    self.viewports = viewports
    shotsPerViewport = 1
    topShare = 0.4
    minimumElements = 3
    maximumElements = 24
    testShare = 0.25
    loadSeconds = 20
    network = .blocked
    self.seed = seed
  }

  /// - Throws: `RenderError.settings`.
  func check() throws(RenderError) {
    for size in viewports { try Self.check(size) }
    guard (1...100).contains(shotsPerViewport) else {
      throw .settings("\(shotsPerViewport) shots of a viewport, 1 to 100 are possible")
    }
    guard (0...1).contains(topShare), (0...1).contains(testShare) else {
      throw .settings("shares must lie between 0 and 1")
    }
    guard minimumElements >= 0, maximumElements >= max(1, minimumElements) else {
      throw .settings("\(minimumElements) to \(maximumElements) elements make no range")
    }
    guard loadSeconds > 0, loadSeconds <= 3600 else {
      throw .settings("a page may take \(loadSeconds) s, above 0 and at most 3600 is needed")
    }
  }

  static func check(_ size: PixelSize) throws(RenderError) {
    guard (64...8192).contains(size.width), (64...8192).contains(size.height) else {
      throw .settings("a viewport of \(size), both sides must be 64 to 8192")
    }
  }
}

/// To which part of the data a set of pages goes.
public enum PageSplit: String, Codable, Hashable, Sendable {
  /// Each page goes by a draw of its own; a page is never in two parts.
  case byPage = "by_page"
  /// All for training.
  case train
  /// All for testing: a site that training never sees.
  case test
}

/// Pages that belong together, such as one package of documentation.
public struct PageSet: Codable, Hashable, Sendable {
  /// What pictures and rows call it: letters, digits and `-`.
  public var name: String
  /// The folder that the pages lie in.
  public var folder: String
  /// The HTML files, relative to the folder.
  public var pages: [String]
  /// To which part of the data they go.
  public var split: PageSplit
  /// The sizes for this set; nil for those of the settings.
  public var viewports: [PixelSize]?

  /// A set.
  public init(
    name: String,
    folder: String,
    pages: [String],
    split: PageSplit = .byPage,
    viewports: [PixelSize]? = nil
  ) {
    self.name = name
    self.folder = folder
    self.pages = pages
    self.split = split
    self.viewports = viewports
  }

  /// - Throws: `RenderError.pages` and `.settings`.
  func check() throws(RenderError) {
    let isPlain = name.utf8.allSatisfy { byte in
      (0x61...0x7A).contains(byte | 0x20) || (0x30...0x39).contains(byte) || byte == 0x2D
    }
    guard isPlain, !name.isEmpty, name.utf8.count <= 60 else {
      throw .settings("a set is called \"\(name)\", 1 to 60 letters, digits and - are needed")
    }
    guard !pages.isEmpty else { throw .pages(set: name, reason: "there are none") }
    var seen: Set<String> = []
    for page in pages where !seen.insert(page).inserted {
      throw .pages(set: name, reason: "\(page) is named twice")
    }
    for size in viewports ?? [] { try RenderSettings.check(size) }
  }
}
