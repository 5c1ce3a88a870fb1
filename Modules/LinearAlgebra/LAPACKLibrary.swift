import CLAPACK
import Synchronization
import Tensor

/// The LAPACK that this process is linked with.
public enum LAPACKLibrary {
  private static let wanted = Atomic(1)

  /// The threads that one LAPACK call may use; 1 unless it is set.
  ///
  /// One, because the library's own threads would compete with those of the `WorkPool`; stacks of
  /// matrices are spread over the pool instead. With a given count results are reproducible, with
  /// another one they may differ in the last bits. Applies to the whole process, also to code that
  /// calls OpenBLAS by itself. On Apple platforms Accelerate decides, and this has no effect.
  public static var threadCount: Int {
    get { wanted.load(ordering: .relaxed) }
    set {
      let count = max(1, newValue)
      wanted.store(count, ordering: .relaxed)
      clapack_set_threads(Int32(clamping: count))
    }
  }

  /// What the library says about its version and build, for reports.
  public static var configuration: String {
    clapack_configuration().map { String(cString: $0) } ?? "LAPACK of the platform"
  }

  /// Whether several threads may call the library at once.
  ///
  /// Builds of OpenBLAS without threads need not be built for callers that have some, and those
  /// with OpenMP keep a thread count for each calling thread.
  static let isReentrant = clapack_threading() == 1 || clapack_threading() == -1

  /// Sets the thread count once, before the first call.
  static func start() { _ = setThreads }

  private static let setThreads: Void = clapack_set_threads(Int32(clamping: threadCount))

  /// Sets the thread count of the calling thread where the library keeps one for each.
  static func prepareThread() {
    if isOpenMP { clapack_set_threads(Int32(clamping: threadCount)) }
  }

  private static let isOpenMP = clapack_threading() == 2
}
