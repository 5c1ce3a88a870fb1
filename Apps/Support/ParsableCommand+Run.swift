public import ArgumentParser

extension ParsableCommand {
  /// Runs the command that was typed: what an app's `main` does.
  ///
  /// Ctrl-C is a request to stop. A failure is one line on standard error, and the process ends with
  /// the code that `Ending` gives it.
  public static func runToItsEnd() {
    Cancellation.install()
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch {
      let ending = Ending(error, of: Self.self)
      if let message = ending.message { try? StandardStream.error.writeLine(message) }
      Self.exit(withError: ending.exitError)
    }
  }
}
