import ArgumentParser
import Checkpoints
import Support

/// How a command that did not succeed ends: what standard error says and what the shell sees.
struct Ending {
  /// One line (and a hint after a wrongly typed command); nil where silence is right.
  var message: String?
  /// What the process exits with; a request for help or the version, which prints it.
  var exitError: any Error

  init(_ error: any Error) {
    if let failure = error as? CommandFailure {
      let isSilent = failure.code == .closedPipe
      self.init(message: isSilent ? nil : failure.message, code: failure.code.value)
      return
    }
    // Libraries that were told to stop say so in their own words.
    do throws(CommandFailure) { try Cancellation.check() } catch {
      self.init(message: error.message, code: error.code.value)
      return
    }
    if let advice = Self.advice(for: error) {
      self.init(message: advice, code: ExitCode.failure.rawValue)
      return
    }
    let code = ApusQuantize.exitCode(for: error)
    if code.isSuccess {
      self.init(message: nil, exitError: error)
    } else if code == .validationFailure {
      self.init(message: Self.usage(ApusQuantize.message(for: error)), code: code.rawValue)
    } else {
      self.init(message: ApusQuantize.message(for: error), code: code.rawValue)
    }
  }

  /// A damaged file's place and reason, and what to do about it; nil for other errors.
  private static func advice(for error: any Error) -> String? {
    guard let error = error as? CheckpointError else { return nil }
    switch error {
    case .malformed, .json:
      return "cannot read \(error); the file is damaged or cut off: fetch it again"
    default: return nil
    }
  }

  private init(message: String?, exitError: any Error) {
    self.message = message
    self.exitError = exitError
  }

  private init(message: String?, code: Int32) {
    self.message = message.map { text in
      let lines = text.split(whereSeparator: \.isNewline).map { String($0) }
      return "\(ApusQuantize.name): " + lines.map(\.printable).joined(separator: "\n")
    }
    exitError = ExitCode(code)
  }

  /// The complaint with the command that explains it.
  private static func usage(_ complaint: String) -> String {
    let names = ApusQuantize.configuration.subcommands.compactMap { command in
      command.configuration.commandName
    }
    let typed = CommandLine.arguments.dropFirst().first.flatMap { names.contains($0) ? $0 : nil }
    let command = ([ApusQuantize.name] + [typed].compactMap { $0 }).joined(separator: " ")
    return complaint.lowercasingFirst() + "\nsee '\(command) --help'"
  }
}
