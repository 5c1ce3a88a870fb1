import CKernels

/// The process's small pool of threads for kernels.
///
/// Part boundaries depend on the shape of the work alone, so results never depend on the thread
/// count. A call from inside a part runs serially.
public enum WorkPool {
  /// The threads that one job may use, the caller included; 1 turns the pool off.
  ///
  /// Default: the available cores, or the environment variable `APUS_THREADS`.
  public static var threadCount: Int {
    get { Int(ck_thread_count()) }
    set { ck_set_thread_count(Int32(clamping: newValue)) }
  }

  /// The instruction set that the kernels use: avx512, avx2, neon or baseline.
  public static var instructionSet: String { String(cString: ck_isa()) }

  /// Calls `body` once for each part, on several threads at once, and waits for all of them.
  ///
  /// Parts must write to different places: this is for kernels over unsafe buffers.
  package static func forEach(parts: Int, _ body: (Int) -> Void) {
    guard parts > 1 else {
      if parts == 1 { body(0) }
      return
    }
    // The closure outlives no call: `ck_parallel` returns when every part is done.
    withoutActuallyEscaping(body) { escapable in
      var box = escapable
      withUnsafeMutablePointer(to: &box) { pointer in
        ck_parallel(parts, runPart, pointer)
      }
    }
  }

  /// Splits `0..<count` into ranges of `grain` (the last may be short) and calls `body` with each.
  package static func forEachRange(count: Int, grain: Int, _ body: (Range<Int>) -> Void) {
    let grain = max(grain, 1)
    forEach(parts: (count + grain - 1) / grain) { part in
      body(part * grain..<min((part + 1) * grain, count))
    }
  }
}

private let runPart: ck_part = { context, part in
  guard let context else { return }
  context.assumingMemoryBound(to: ((Int) -> Void).self).pointee(part)
}
