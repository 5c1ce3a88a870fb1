import Foundation
import Synchronization

/// The documents beside a model's tensors.
///
/// What takes longer to make than the model to open is made when somebody first asks for it.
final class PretrainedDocuments: Sendable {
  /// Those that are there.
  let present: [String: Data]
  private let missing: @Sendable () throws -> [String: Data]
  private let all = Mutex<[String: Data]?>(nil)

  init(
    _ present: [String: Data],
    and missing: @escaping @Sendable () throws -> [String: Data] = { [:] }
  ) {
    (self.present, self.missing) = (present, missing)
  }

  /// All of them.
  func get() throws -> [String: Data] {
    try all.withLock { all in
      if let all { return all }
      let documents = try present.merging(missing()) { first, _ in first }
      all = documents
      return documents
    }
  }
}
