public import ArgumentParser
import Checkpoints

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// How a command that did not succeed, or that was asked for help, ends: what it says and what the shell sees.
public struct Ending {
  /// One line (and a hint after a wrongly typed command), or the help; nil where silence is right.
  public var message: String?
  /// What the process exits with: 0 where help or the version was asked for.
  public var code: Int32

  /// The ending that an error of a command means, under the program `root`.
  public init(_ error: any Error, of root: any ParsableCommand.Type) {
    let name = root.configuration.commandName ?? ""
    if let failure = error as? CommandFailure {
      let isSilent = failure.code == .closedPipe
      self.init(name, isSilent ? nil : failure.message, code: failure.code.value)
      return
    }
    // Libraries that were told to stop say so in their own words.
    do throws(CommandFailure) { try Cancellation.check() } catch {
      self.init(name, error.message, code: error.code.value)
      return
    }
    if let advice = Self.advice(for: error) {
      self.init(name, advice, code: ExitCode.failure.rawValue)
      return
    }
    let code = root.exitCode(for: error)
    if code.isSuccess {
      self.init(message: root.fullMessage(for: error), code: code.rawValue)
    } else if code == .validationFailure {
      self.init(name, Self.usage(root.message(for: error), root), code: code.rawValue)
    } else {
      self.init(name, root.message(for: error), code: code.rawValue)
    }
  }

  /// A file's place and what is wrong with it, and what to do where that is known; nil for other errors.
  private static func advice(for error: any Error) -> String? {
    if let error = error as? CocoaError, let path = error.filePath {
      // Foundation's own words name neither the file nor what the system said.
      let reason = (error.underlying as? POSIXError).map { systemMessage($0.code.rawValue) }
      return "cannot use \(path): \(reason ?? "\(error.code)")"
    }
    guard let error = error as? CheckpointError else { return nil }
    switch error {
    case .malformed, .json:
      return "cannot read \(error); the file is damaged or cut off: fetch it again"
    default: return nil
    }
  }

  private init(message: String?, code: Int32) {
    self.message = message
    self.code = code
  }

  private init(_ name: String, _ message: String?, code: Int32) {
    self.message = message.map { text in
      let lines = text.split(whereSeparator: \.isNewline).map { String($0) }
      return "\(name): " + lines.map(\.printable).joined(separator: "\n")
    }
    self.code = code
  }

  /// Says it and ends the process.
  ///
  /// Nothing of the command should be left by then: what still is looks like a leak.
  public func end() -> Never {
    if let message {
      try? (code == 0 ? StandardStream.output : .error).writeLine(message)
    }
    exit(code)
  }

  /// The complaint with the command that explains it.
  private static func usage(
    _ complaint: String,
    _ root: any ParsableCommand.Type
  ) -> String {
    let names = root.configuration.subcommands.compactMap { command in
      command.configuration.commandName
    }
    let typed = CommandLine.arguments.dropFirst().first.flatMap { names.contains($0) ? $0 : nil }
    let command = ([root.configuration.commandName, typed].compactMap { $0 }).joined(separator: " ")
    return complaint.lowercasingFirst() + "\nsee '\(command) --help'"
  }
}
