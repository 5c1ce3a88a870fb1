import Checkpoints
import Foundation
import GUIGrounding
import Tensor

/// Renders pages into pictures with instructions: training and test data of one's own.
///
///     let set = try PageSet.find(name: "python-doc", in: "/usr/share/doc/python3/html")
///     let renderer = PageRenderer(settings: RenderSettings(seed: 1))
///     let report = try await renderer.render([set], into: "pages")
///
/// The folder gets `elements.jsonl` (one row for each instruction), `images/`, `settings.json`,
/// `report.json` and `journal.jsonl`. A run that was ended, by whatever, goes on where it was when
/// it is started again with the same settings: finished pages are kept, and all draws are those of
/// the page, so the rows are the same as without the interruption. More sets and pages may be added.
///
/// A page that does not load, crashes or leads elsewhere is noted and left out. A browser that ends
/// is started again, and so it is after every few hundred pages, before it grows.
public struct PageRenderer: Sendable {
  /// How pages become pictures and instructions.
  public var settings: RenderSettings
  /// The browser's program; nil looks for one.
  public var browserPath: String?
  /// How many pages a browser renders before another takes over.
  public var pagesPerBrowser = 300

  /// A renderer.
  public init(settings: RenderSettings, browserPath: String? = nil) {
    self.settings = settings
    self.browserPath = browserPath
  }

  /// What a run has done so far.
  public struct Progress: Sendable {
    /// Pages that are finished, those of earlier runs included.
    public let finished: Int
    /// All pages.
    public let total: Int
    /// The page that was finished last, after its set.
    public let page: String
    /// Why it gave nothing, if so.
    public let failure: String?
    /// Pictures so far in this run.
    public let shots: Int
    /// Rows so far in this run.
    public let rows: Int
  }

  /// Renders what is not rendered yet.
  ///
  /// - Parameters:
  ///   - sets: the pages.
  ///   - folder: where to; made if it is missing.
  ///   - progress: called after each page.
  /// - Returns: what the pages of these sets gave, in this run and in earlier ones.
  /// - Throws: `RenderError`; `CancellationError` when the task is cancelled, with all rows of
  ///   finished pages written.
  @discardableResult
  public nonisolated(nonsending) func render(
    _ sets: [PageSet],
    into folder: String,
    progress: (Progress) -> Void = { _ in }
  ) async throws -> RenderReport {
    try settings.check()
    try check(sets)
    let run = try RenderRun(settings: settings, folder: folder)
    do {
      try await render(sets, run, progress)
    } catch {
      // Rows of finished pages are of use, whatever ended the run.
      _ = try? run.finish(sets)
      throw error
    }
    return try run.finish(sets)
  }

  private func check(_ sets: [PageSet]) throws(RenderError) {
    var names: Set<String> = []
    for set in sets {
      try set.check()
      guard names.insert(set.name).inserted else {
        throw .pages(set: set.name, reason: "the name is that of another set too")
      }
      guard !(set.viewports ?? settings.viewports).isEmpty else {
        throw .settings("no viewports for the set \(set.name)")
      }
    }
  }

  private nonisolated(nonsending) func render(
    _ sets: [PageSet],
    _ run: RenderRun,
    _ progress: (Progress) -> Void
  ) async throws {
    let all = sets.flatMap { set in set.pages.map { (set, $0) } }
    let missing = all.filter { !run.isFinished($0.0, $0.1) }
    var finished = all.count - missing.count
    guard !missing.isEmpty else { return }
    let keeper = BrowserKeeper(path: browserPath, network: settings.network, limit: pagesPerBrowser)
    do {
      for (set, page) in missing {
        try Task.checkCancellation()
        let session = PageSession(settings: settings, set: set, page: page, folder: run.folder)
        let record = try await keeper.record(session)
        try run.append(record)
        finished += 1
        progress(
          Progress(
            finished: finished,
            total: all.count,
            page: "\(set.name)/\(page)",
            failure: record.detail ?? record.failure,
            shots: run.shotCount,
            rows: run.rowCount
          )
        )
      }
    } catch {
      await keeper.close()
      throw error
    }
    await keeper.close()
  }
}
