public import ArgumentParser

extension ParsableCommand {
  /// Runs the command that was typed: what an app's `main` does.
  ///
  /// Ctrl-C is a request to stop. A failure is one line on standard error, and the process ends with
  /// the code that `Ending` gives it.
  public static func runToItsEnd() {
    Cancellation.install()
    unlessItSucceeds()?.end()
  }

  private static func unlessItSucceeds() -> Ending? {
    do {
      var command = try parseAsRoot()
      try command.run()
      return nil
    } catch {
      return Ending(error, of: Self.self)
    }
  }
}
