import Foundation

/// Seconds that this process has computed, on all its threads.
func processSeconds() -> Double {
  var time = timespec()
  guard clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0 else { return 0 }
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

extension String {
  /// The name of a file without its folder and its last ending.
  var fileStem: String {
    URL(filePath: self).deletingPathExtension().lastPathComponent
  }
}
