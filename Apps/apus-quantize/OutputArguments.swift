import ArgumentParser
import Support

/// How a command shows what it does and what it found.
struct OutputArguments: ParsableArguments {
  @Flag(help: "Write one JSON document to standard output, and nothing else there.")
  var json = false

  @Flag(name: .shortAndLong, help: "Show no progress.")
  var quiet = false

  /// A reporter on standard error, as these settings and the terminal ask for it.
  func progress(_ label: String, unit: String) -> ProgressReporter {
    ProgressReporter(label, unit: unit, style: ProgressReporter.style(isQuiet: quiet))
  }
}
