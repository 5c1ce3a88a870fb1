import Foundation
import Synchronization

/// A child process that is spoken to over descriptors 3 and 4.
///
/// Both are ends of one socket: unlike a pipe, a socket whose other end is gone answers a write with
/// an error instead of a signal. The child leads a process group of its own, so that whatever it
/// started ends with it, and an interrupt at the terminal reaches only us. A browser ends by itself
/// when its end of the socket closes, so none is left when this process is killed.
final class BrowserProcess: Sendable {
  /// Our end of the socket; whoever reads from it closes it.
  let socket: Int32
  /// The process.
  let number: pid_t
  private let hasEnded = Mutex(false)

  /// Starts a program.
  ///
  /// - Parameters:
  ///   - arguments: the program and its arguments.
  ///   - environment: the variables of the child.
  ///   - log: the file that takes its standard error.
  /// - Throws: `BrowserError.cannotStart`.
  init(
    _ arguments: [String],
    environment: [String: String],
    log: String
  ) throws(BrowserError) {
    let path = arguments.first ?? ""
    guard let ends = Self.makeSocket() else { throw Self.failure(path, errno) }
    var number: pid_t = 0
    var code = Self.spawn(arguments, environment, log, ends.child, &number)
    // A program that was written just now is busy for as long as another child of this process, on
    // its way to a program of its own, holds the copy of a descriptor: some milliseconds.
    for _ in 0..<500 where code == ETXTBSY {
      usleep(10_000)
      code = Self.spawn(arguments, environment, log, ends.child, &number)
    }
    close(ends.child)
    guard code == 0 else {
      close(ends.parent)
      throw Self.failure(path, code)
    }
    socket = ends.parent
    self.number = number
    reap()
  }

  /// Whether the process is over.
  var isOver: Bool { hasEnded.withLock { $0 } }

  /// Ends the process and all that it started, at once.
  func kill() {
    // While it is not reaped the number cannot belong to anybody else.
    hasEnded.withLock { hasEnded in
      guard !hasEnded else { return }
      _ = Foundation.kill(-number, SIGKILL)
      _ = Foundation.kill(number, SIGKILL)
    }
  }

  /// Waits for the end.
  ///
  /// - Returns: whether it came in time.
  func waitForEnd(seconds: Double) async -> Bool {
    let clock = ContinuousClock()
    let end = clock.now + .seconds(seconds)
    while !isOver, clock.now < end {
      // Deaf to cancellation: the end is near, and a process must not be left behind.
      await withCheckedContinuation { continuation in
        DispatchQueue.global().asyncAfter(deadline: .now() + 0.02) { continuation.resume() }
      }
    }
    return isOver
  }

  /// Takes note of the end on a thread of its own.
  private func reap() {
    let number = number
    Thread.detachNewThread { [weak self] in
      var status: Int32 = 0
      // Without reaping: between the end and the note, `kill` must still find it.
      var information = siginfo_t()
      while waitid(P_PID, id_t(number), &information, WEXITED | WNOWAIT) < 0, errno == EINTR {}
      guard let self else {
        waitpid(number, &status, 0)
        return
      }
      hasEnded.withLock { hasEnded in
        // What the leader left behind goes too.
        _ = Foundation.kill(-number, SIGKILL)
        waitpid(number, &status, 0)
        hasEnded = true
      }
    }
  }

  private static func failure(_ path: String, _ code: Int32) -> BrowserError {
    .cannotStart(path: path, reason: String(cString: strerror(code)))
  }

  /// Two ends that no other child inherits; the child's is above the descriptors it is moved to.
  private static func makeSocket() -> (parent: Int32, child: Int32)? {
    var ends: [Int32] = [-1, -1]
    #if canImport(Darwin)
      let kind = SOCK_STREAM
    #else
      // At once: another thread may start a process between two calls.
      let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
    #endif
    guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else { return nil }
    let child = fcntl(ends[1], F_DUPFD_CLOEXEC, 10)
    close(ends[1])
    guard child >= 0, fcntl(ends[0], F_SETFD, FD_CLOEXEC) == 0 else {
      close(ends[0])
      if child >= 0 { close(child) }
      return nil
    }
    #if canImport(Darwin)
      var on: Int32 = 1
      setsockopt(ends[0], SOL_SOCKET, SO_NOSIGPIPE, &on, socklen_t(MemoryLayout<Int32>.size))
    #endif
    // A browser that reads no more must not hold us for ever.
    var limit = timeval(tv_sec: 10, tv_usec: 0)
    setsockopt(ends[0], SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    return (ends[0], child)
  }

  private static func spawn(
    _ arguments: [String],
    _ environment: [String: String],
    _ log: String,
    _ end: Int32,
    _ number: inout pid_t
  ) -> Int32 {
    #if canImport(Darwin)
      var actions: posix_spawn_file_actions_t?
      var attributes: posix_spawnattr_t?
    #else
      var actions = posix_spawn_file_actions_t()
      var attributes = posix_spawnattr_t()
    #endif
    posix_spawn_file_actions_init(&actions)
    posix_spawnattr_init(&attributes)
    defer {
      posix_spawn_file_actions_destroy(&actions)
      posix_spawnattr_destroy(&attributes)
    }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 2, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    posix_spawn_file_actions_adddup2(&actions, end, 3)
    posix_spawn_file_actions_adddup2(&actions, end, 4)
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
    let variables = environment.map { "\($0.key)=\($0.value)" }.sorted()
    return withCStrings(arguments) { arguments in
      withCStrings(variables) { variables in
        guard let program = arguments[0] else { return ENOMEM }
        return posix_spawnp(&number, program, &actions, &attributes, arguments, variables)
      }
    }
  }
}

/// Calls `body` with a list of C strings that ends with nil.
private func withCStrings<Value>(
  _ strings: [String],
  _ body: ([UnsafeMutablePointer<CChar>?]) -> Value
) -> Value {
  let copies: [UnsafeMutablePointer<CChar>?] = strings.map { strdup($0) }
  defer { for copy in copies { free(copy) } }
  return body(copies + [nil])
}
