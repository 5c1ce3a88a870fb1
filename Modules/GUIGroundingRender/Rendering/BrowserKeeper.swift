/// Has a browser at hand: starts it, starts another when it ends or has rendered enough.
final class BrowserKeeper {
  private let path: String?
  private let network: NetworkAccess
  private let limit: Int
  private var browser: ChromiumBrowser?
  private var pageCount = 0

  init(path: String?, network: NetworkAccess, limit: Int) {
    self.path = path
    self.network = network
    self.limit = max(1, limit)
  }

  /// Renders a page; what the page does wrong is part of the record.
  ///
  /// - Throws: `RenderError`, `CancellationError`.
  nonisolated(nonsending) func record(_ session: PageSession) async throws -> PageRecord {
    do {
      return try await attempt(session)
    } catch BrowserError.ended {
      // Not this page's fault, as far as is known: it may try once more.
    }
    do {
      return try await attempt(session)
    } catch BrowserError.ended(let log) {
      return failed(session, .ended(log: log))
    }
  }

  nonisolated(nonsending) private func attempt(_ session: PageSession) async throws -> PageRecord {
    let browser = try await ready()
    pageCount += 1
    do {
      return try await session.run(browser)
    } catch let error as BrowserError {
      switch error {
      case .cancelled: throw CancellationError()
      case .ended:
        await close()
        throw error
      case .timedOut:
        // A page that hangs may take its browser along.
        await close()
        return failed(session, error)
      case .notFound, .cannotStart, .tooOld, .crashed, .refused, .script, .navigation, .malformed:
        return failed(session, error)
      }
    }
  }

  nonisolated(nonsending) private func ready() async throws -> ChromiumBrowser {
    if pageCount >= limit || browser?.isOver == true { await close() }
    if let browser { return browser }
    do throws(BrowserError) {
      let started = try await ChromiumBrowser.start(path: path, network: network)
      browser = started
      pageCount = 0
      return started
    } catch {
      if case .cancelled = error { throw CancellationError() }
      throw RenderError.browser(error)
    }
  }

  private func failed(_ session: PageSession, _ error: BrowserError) -> PageRecord {
    PageRecord(
      setName: session.set.name,
      page: session.page,
      failure: error.kind,
      detail: "\(error)",
      shots: [],
      sparseShots: 0
    )
  }

  /// The number of the browser's process, while there is one.
  var processNumber: Int32? { browser?.processNumber }

  /// Ends the browser.
  nonisolated(nonsending) func close() async {
    await browser?.close()
    browser = nil
    pageCount = 0
  }
}

extension BrowserError {
  /// The kind of fault, by which a report counts pages.
  fileprivate var kind: String {
    switch self {
    case .ended: "the browser ends"
    case .crashed: "crashed"
    case .timedOut: "no answer in time"
    case .refused: "a command was refused"
    case .script: "a script failed"
    case .navigation: "does not open, or leads elsewhere"
    case .malformed: "an answer made no sense"
    case .notFound, .cannotStart, .tooOld, .cancelled: "no browser"
    }
  }
}
