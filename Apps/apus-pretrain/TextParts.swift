import Support

/// Texts that are read part by part, with progress, until the user asks for the end.
struct TextParts {
  private let paths: [String]
  private let reporter: ProgressReporter

  init(_ paths: [String], _ reporter: ProgressReporter) {
    self.paths = paths
    self.reporter = reporter
  }

  /// Calls `body` with each part of each text, and `endOfText` after each text.
  func forEach(_ body: (String) throws -> Void, endOfText: () throws -> Void) throws {
    defer { reporter.clear() }
    let total = TextFile.byteCount(of: paths)
    var done = 0
    for (index, path) in paths.enumerated() {
      try TextFile.forEachPart(of: path) { part in
        try Cancellation.check("nothing was written")
        reporter.update(
          completed: index,
          total: paths.count,
          share: total > 0 ? min(Double(done) / Double(total), 1) : nil,
          note: path
        )
        try body(part)
        done += part.utf8.count
      }
      try endOfText()
    }
  }
}
