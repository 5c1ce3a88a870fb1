import Foundation
import TestSupport
import Testing

@testable import GUIGroundingRender

@Suite struct BrowserProgramTests {
  /// Opens a program for writing so that no child that another test starts keeps it open.
  private func openProgram(_ path: String) throws -> FileHandle {
    let number = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o755)
    try #require(number >= 0, "\(path): \(String(cString: strerror(errno)))")
    return FileHandle(fileDescriptor: number, closeOnDealloc: true)
  }

  private func program(_ text: String, _ path: String) throws {
    let file = try openProgram(path)
    try file.write(contentsOf: Data(text.utf8))
    try file.close()
  }

  @Test func theFirstNameOnThePathIsTaken() throws {
    try withTemporaryFolder { folder in
      for sub in ["/a", "/b"] {
        try FileManager.default.createDirectory(
          atPath: folder + sub,
          withIntermediateDirectories: true
        )
      }
      func find() throws -> String {
        try BrowserProgram.find(nil, searchPath: "\(folder)/a:\(folder)/b", bundles: [])
      }
      #expect(throws: BrowserError.self) { try find() }
      try Data().write(to: URL(fileURLWithPath: folder + "/a/chromium"))
      #expect(throws: BrowserError.self, "it may not be run") { try find() }
      try program("", folder + "/b/google-chrome")
      #expect(try find() == folder + "/b/google-chrome")
      try program("", folder + "/b/chromium")
      #expect(try find() == folder + "/b/chromium")
    }
  }

  @Test func missingProgramsAreNamed() throws {
    let error = try #require(throws: BrowserError.self) {
      try BrowserProgram.find(nil, searchPath: "", bundles: ["/no/such"])
    }
    #expect("\(error)".contains("chromium") && "\(error)".contains("/no/such"))
    #expect(throws: BrowserError.notFound(searched: ["/no/browser"])) {
      try BrowserProgram.find("/no/browser")
    }
  }

  @Test func aProgramThatEndsShowsWhatItWrote() async throws {
    try await withTemporaryFolder { folder in
      let path = folder + "/browser"
      try program("#!/bin/sh\necho 'no usable sandbox' >&2\nexit 1\n", path)
      let error = try await #require(throws: BrowserError.self) {
        try await ChromiumBrowser.start(path: path)
      }
      #expect(error == .ended(log: "no usable sandbox"))
    }
  }

  /// Other children of this process may hold a copy of the descriptor for a moment.
  @Test func aProgramThatIsStillBeingWrittenIsWaitedFor() async throws {
    try await withTemporaryFolder { folder in
      let path = folder + "/browser"
      try program("#!/bin/sh\necho started >&2\nexit 1\n", path)
      let writer = try openProgram(path)
      Thread.detachNewThread {
        usleep(100_000)
        try? writer.close()
      }
      await #expect(throws: BrowserError.ended(log: "started")) {
        try await ChromiumBrowser.start(path: path)
      }
    }
  }

  @Test func aFileThatIsNoProgramCannotBeStarted() async throws {
    try await withTemporaryFolder { folder in
      let path = folder + "/browser"
      try program("\u{1}\u{2}", path)
      let error = try await #require(throws: BrowserError.self) {
        try await ChromiumBrowser.start(path: path, seconds: 5)
      }
      // Some systems hand such a file to a shell, which fails.
      switch error {
      case .cannotStart, .ended: break
      default: Issue.record("\(error)")
      }
    }
  }

  /// A program that says nothing is ended, with what it started and its profile.
  @Test func aSilentProgramIsEnded() async throws {
    try await withTemporaryFolder { folder in
      let path = folder + "/browser"
      let script = """
        #!/bin/sh
        sleep 1000 &
        echo $$ $! > \(folder)/numbers
        printf '%s\\n' "$@" > \(folder)/arguments
        wait
        """
      try program(script, path)
      await #expect(throws: BrowserError.timedOut("Browser.getVersion", seconds: 1)) {
        try await ChromiumBrowser.start(path: path, seconds: 1)
      }
      let text = try String(contentsOfFile: folder + "/numbers", encoding: .utf8)
      let numbers = text.split(whereSeparator: \.isWhitespace).compactMap { pid_t($0) }
      #expect(numbers.count == 2)
      for number in numbers { #expect(isGone(number)) }
      let arguments = try String(contentsOfFile: folder + "/arguments", encoding: .utf8)
      let lines = arguments.split(separator: "\n")
      let profile = try #require(lines.first { $0.hasPrefix("--user-data-dir=") })
      #expect(!FileManager.default.fileExists(atPath: String(profile.dropFirst(16))))
    }
  }

  /// Whether a process is over, be it that nobody has asked for its outcome yet.
  private func isGone(_ number: pid_t) -> Bool {
    guard kill(number, 0) == 0 else { return errno == ESRCH }
    let path = "/proc/\(number)/stat"
    guard let status = try? String(contentsOfFile: path, encoding: .utf8) else { return true }
    return status.contains(") Z ") || status.contains(") X ")
  }

  @Test func theBrowserGetsNoKeys() {
    let environment = ChromiumBrowser.environment(profile: "/tmp/profile")
    let allowed: Set = [
      "PATH", "HOME", "TMPDIR", "XDG_RUNTIME_DIR", "FONTCONFIG_FILE", "FONTCONFIG_PATH",
      "LD_LIBRARY_PATH", "USER", "LOGNAME", "TZ", "LANG", "XDG_CONFIG_HOME", "XDG_CACHE_HOME",
      "DBUS_SESSION_BUS_ADDRESS",
    ]
    #expect(Set(environment.keys).isSubset(of: allowed))
  }
}
