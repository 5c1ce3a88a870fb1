public import ArgumentParser

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// A file or folder as it is typed, with the class of its samples before a sign: `novel=book.txt`.
public struct LabelledPath: ExpressibleByArgument, Hashable, Sendable {
  /// The class; nil if none was typed.
  public let label: String?
  /// The file or folder.
  public let path: String

  /// A path with a class.
  public init(label: String?, path: String) { (self.label, self.path) = (label, path) }

  /// What was typed; all of it is the path if something lies there.
  public init?(argument: String) {
    let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, !FileManager.default.fileExists(atPath: argument) else {
      guard !argument.isEmpty else { return nil }
      self.init(label: nil, path: argument)
      return
    }
    guard !parts[0].isEmpty, !parts[1].isEmpty else { return nil }
    self.init(label: String(parts[0]), path: String(parts[1]))
  }
}

extension [LabelledPath] {
  /// Refuses to mix paths with and without a class.
  ///
  /// - Throws: `ValidationError`.
  public func checkLabels() throws {
    guard let bare = first(where: { $0.label == nil }), contains(where: { $0.label != nil }) else {
      return
    }
    throw ValidationError(
      "\(bare.path) has no class and others have; give all of them one: CLASS=PATH"
    )
  }
}
