import Dispatch

/// Runs handlers apart from the threads of the language's own pool.
///
/// That pool has as many threads as the device has cores. A handler that computes for minutes on a
/// device with one core would keep the node from sending its signs of life.
final class HandlerThread: TaskExecutor {
  private let queue = DispatchQueue(label: "flower-handler")

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    let executor = asUnownedTaskExecutor()
    queue.async { job.runSynchronously(on: executor) }
  }
}
