import Foundation
import Tensor

/// Times calls on the clock that suits the number of threads.
///
/// One thread is timed by the processor time of the process, which other users of the machine do
/// not disturb; several threads by the time on the wall. The peer does the same.
struct Stopwatch {
  let usesProcessorTime = WorkPool.threadCount == 1

  func now() -> Double {
    var time = timespec()
    clock_gettime(usesProcessorTime ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }

  /// Seconds per call, for each of `repeats` bunches of `inner` calls.
  func seconds(repeats: Int, inner: Int, _ call: () -> Void) -> [Double] {
    (0..<repeats).map { _ in
      let start = now()
      for _ in 0..<inner { call() }
      return (now() - start) / Double(inner)
    }
  }

  /// About the seconds of one call, after a first one that touches everything.
  func estimate(_ call: () -> Void) -> Double {
    call()
    var inner = 1
    while true {
      let seconds = seconds(repeats: 1, inner: inner, call)[0]
      if seconds * Double(inner) > 1e-4 || inner > 1 << 20 { return max(seconds, 1e-10) }
      inner *= 4
    }
  }
}

/// Keeps a value that is computed for its time alone.
@inline(never)
func keep<Value>(_ value: Value) { withExtendedLifetime(value) {} }
