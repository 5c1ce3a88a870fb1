public import ArgumentParser

/// How a command shows what it does and what it found.
public struct OutputArguments: ParsableArguments {
  /// Whether the result is JSON.
  @Flag(help: "Write one JSON document to standard output, and nothing else there.")
  public var json = false

  /// Whether no progress is shown.
  @Flag(name: .shortAndLong, help: "Show no progress.")
  public var quiet = false

  /// The defaults.
  public init() {}

  /// A reporter on standard error, as these settings and the terminal ask for it.
  public func progress(_ label: String, unit: String) -> ProgressReporter {
    ProgressReporter(label, unit: unit, style: ProgressReporter.style(isQuiet: quiet))
  }
}
