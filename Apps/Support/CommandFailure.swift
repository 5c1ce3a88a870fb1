/// The reason why a command ends without its result, in one sentence for the person who typed it.
public struct CommandFailure: Error, Equatable, CustomStringConvertible {
  /// What the shell sees.
  public struct Code: Hashable, Sendable {
    /// The number in `$?`.
    public let value: Int32

    /// The work could not be done.
    public static let failure = Code(value: 1)
    /// The command was typed wrongly.
    public static let usage = Code(value: 64)
    /// A signal ended the work: 130 for Ctrl-C.
    public static func signal(_ number: Int32) -> Code { Code(value: 128 + number) }
    /// The reader of the output has gone, as with `| head`; nothing is said about it.
    public static let closedPipe = Code(value: 141)
  }

  /// What went wrong, where, and what to do; one line without a full stop.
  public let message: String
  /// What the shell sees.
  public let code: Code

  /// A failure with a message.
  public init(_ message: String, code: Code = .failure) {
    self.message = message
    self.code = code
  }

  /// The message.
  public var description: String { message }
}
