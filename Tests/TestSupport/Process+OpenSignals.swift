public import Foundation

extension Process {
  /// Starts the program with no signal blocked.
  ///
  /// It inherits the mask of the thread that starts it. The threads that tasks run on block nearly all
  /// signals: started from one, a program and its own children would never hear that they should end.
  public func runWithOpenSignals() throws {
    var (none, before) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    try run()
  }
}
