import Checkpoints
import Foundation
import SwiftProtobuf

/// What a node remembers of the message it works on.
///
/// A server hands a message out once. Without this file a device that loses power during training
/// keeps its round waiting until the message's time is over; with it, the node that comes back
/// under the same key answers: with the finished reply, by doing the work again, or, after a second
/// crash on the same message, with an error.
struct MessageJournal: Sendable {
  /// How often the work on a message is begun.
  static let mostAttempts: UInt32 = 2

  let path: String

  /// The unfinished work; nil when there is none.
  ///
  /// - Throws: `FlowerError.journal` when the file is there but of no use.
  func load(limits: FlowerLimits) throws(FlowerError) -> JournalEntry? {
    let manager = FileManager.default
    guard manager.fileExists(atPath: path) else { return nil }
    do {
      let size = try manager.attributesOfItem(atPath: path)[.size] as? Int ?? .max
      guard size / 2 <= limits.messageBytes else {
        throw FlowerError.journal(path: path, reason: "\(size) bytes are over the limit")
      }
      return try JournalEntry(serializedBytes: Data(contentsOf: URL(fileURLWithPath: path)))
    } catch let error as FlowerError {
      throw error
    } catch {
      throw .journal(path: path, reason: "\(error)")
    }
  }

  /// Remembers work, in place of what was remembered before.
  func save(_ entry: JournalEntry) throws(FlowerError) {
    do {
      try AtomicFile.write(serialized(entry), to: path)
    } catch {
      throw .journal(path: path, reason: "\(error)")
    }
  }

  /// Forgets the work.
  func clear() { try? FileManager.default.removeItem(atPath: path) }
}

extension JournalStoredObject {
  init(_ object: FlowerObject) {
    self.init()
    objectID = object.id
    content = object.bytes
  }
}
