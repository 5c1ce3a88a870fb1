import SwiftProtobuf

/// What a handler gives back, or what went wrong.
public enum FlowerReply: Sendable, Equatable {
  /// The records of the reply.
  case content(FlowerContent)
  /// The error that the strategy gets instead.
  case failure(FlowerFailure)
}

/// An error that travels in place of a reply; handlers may throw one.
public struct FlowerFailure: Error, Sendable, Hashable {
  /// Flower's codes.
  public enum Code: Int64, Sendable, CaseIterable {
    /// No other code fits.
    case unknown = 0
    /// The application could not be loaded.
    case loadFailed = 1
    /// The application failed.
    case applicationFailed = 2
    /// The message could not be read.
    case messageUnavailable = 3
    /// The reply could not be made available.
    case replyUnavailable = 4
    /// The node went away.
    case nodeUnavailable = 5
    /// Something that the application needs was missing.
    case preconditionFailed = 6
    /// The application's bundle is not valid.
    case invalidBundle = 7
    /// The application crashed.
    case applicationCrashed = 8
  }

  /// The kind of failure.
  public var code: Code
  /// The reason in words.
  public var reason: String

  /// The longest reason that is sent, in bytes.
  static let longestReason = 4096

  /// A failure.
  public init(_ code: Code = .applicationFailed, _ reason: String) {
    self.code = code
    self.reason = reason
  }

  init(_ wire: WireError) {
    self.init(Code(rawValue: wire.code) ?? .unknown, wire.reason)
  }

  var wire: WireError {
    .with {
      $0.code = code.rawValue
      $0.reason = String(decoding: reason.utf8.prefix(Self.longestReason), as: UTF8.self)
    }
  }
}
