import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The first signal that asked this process to stop; 0 for none.
///
/// A signal handler may touch nothing but an atomic, so this one value is global.
private let receivedSignal = Atomic<Int32>(0)

/// Whether the user, or the system, has asked for the end.
///
/// After `install()` a first Ctrl-C (SIGINT), SIGTERM or SIGHUP raises a flag that long work looks
/// at between steps, so that it can remove what it has half written. A second one ends the process
/// at once. SIGPIPE and SIGXFSZ are ignored: the write that caused them fails and is reported.
public enum Cancellation {
  /// Starts to listen; a hang-up that the parent has switched off (`nohup`) stays so.
  public static func install() {
    _ = receivedSignal.load(ordering: .relaxed)
    // A parent that spawns from a worker thread hands down its mask, which blocks everything.
    var mask = sigset_t()
    sigemptyset(&mask)
    for number in [SIGINT, SIGTERM, SIGHUP] {
      sigaddset(&mask, number)
      let previous = signal(number) { number in
        let (isFirst, _) = receivedSignal.compareExchange(
          expected: 0,
          desired: number,
          ordering: .sequentiallyConsistent
        )
        if !isFirst { _exit(128 + number) }
      }
      if number == SIGHUP && isIgnoring(previous) { signal(number, SIG_IGN) }
    }
    pthread_sigmask(SIG_UNBLOCK, &mask, nil)
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
  }

  /// Whether a signal has asked for the end.
  public static var isRequested: Bool { receivedSignal.load(ordering: .relaxed) != 0 }

  /// Throws `CommandFailure` with the exit code of the signal if one has asked for the end.
  ///
  /// - Parameter consequence: what the interruption means: "nothing was written".
  /// - Throws: `CommandFailure`.
  public static func check(_ consequence: String? = nil) throws(CommandFailure) {
    let number = receivedSignal.load(ordering: .relaxed)
    guard number != 0 else { return }
    let message = consequence.map { "interrupted, \($0)" } ?? "interrupted"
    throw CommandFailure(message, code: .signal(number))
  }

  #if canImport(Darwin)
    private typealias Handler = (@convention(c) (Int32) -> Void)?
  #else
    private typealias Handler = __sighandler_t?
  #endif

  private static func isIgnoring(_ handler: Handler) -> Bool {
    unsafeBitCast(handler, to: Int.self) == unsafeBitCast(SIG_IGN as Handler, to: Int.self)
  }
}
