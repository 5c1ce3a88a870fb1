import Autograd

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// Which task a model, a report or a device belongs to: what must be alike for its numbers to mean the
/// same.
public struct TaskIdentity: Codable, Hashable, Sendable {
  /// The name of the task.
  public var name: String
  /// A checksum of the names, shapes and wiring of the global model.
  public var model: String
  /// A checksum of how many examples there are and of the classes of those that train.
  ///
  /// Devices that hold data of their own have another one than the server.
  public var data: String

  /// The identity of a task.
  public init(of task: any FederatedTask) {
    name = task.name
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    // A description is made of numbers and names, so it can always be encoded.
    let description = (try? encoder.encode(task.model)) ?? Data()
    model = Self.checksum(Array(description))
    var labels = task.labels.withUnsafeBytes { Array($0) }
    labels += Array("\(task.trainingCount) \(task.testCount) \(task.classCount)".utf8)
    data = Self.checksum(labels)
  }

  private static func checksum(_ bytes: [UInt8]) -> String {
    bytes.withUnsafeBytes { String(XXHash64.hash($0), radix: 16) }
  }
}
