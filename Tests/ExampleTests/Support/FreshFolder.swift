import Foundation
import TestSupport
import Testing

/// Runs an example in a new folder that its relative paths mean; the folder is removed afterwards.
///
/// For exit tests alone: the working folder is the whole process's. What the example throws is an issue of
/// the test, with its text; an exit test by itself would show a signal.
func inFreshFolder(_ body: () async throws -> Void) async {
  do {
    try await withTemporaryFolder { folder in
      try #require(FileManager.default.changeCurrentDirectoryPath(folder))
      try await body()
    }
  } catch {
    Issue.record(error)
  }
}

/// Runs an example that blocks its thread on one of its own.
func onThread<Result: Sendable>(
  _ body: @escaping @Sendable () throws -> Result
) async throws -> Result {
  try await withCheckedThrowingContinuation { continuation in
    Thread.detachNewThread { continuation.resume(with: Swift.Result { try body() }) }
  }
}
