import Foundation
import SwiftProtobuf

/// Turns content into objects, children before their parents.
struct ObjectEncoder {
  /// The most bytes of one chunk of an array.
  static let chunkBytes = 5_242_880
  /// The only encoding of arrays that every strategy reads.
  static let numpyEncoding = "numpy.ndarray"

  private(set) var objects: [FlowerObject] = []
  private var places: [String: Int] = [:]

  /// The object of a message without its content, and of everything below it.
  ///
  /// - Returns: The id of the message; `metadata` must have none.
  mutating func add(
    _ metadata: WireMetadata,
    _ reply: FlowerReply
  ) throws(FlowerError) -> String {
    var message = WireMessage()
    message.metadata = metadata
    message.metadata.messageID = ""
    var children: [String] = []
    switch reply {
    case .content(let content): children = [try add(content)]
    case .failure(let failure): message.error = failure.wire
    }
    return add(.message, children: children, body: serialized(message))
  }

  /// The object of all records.
  mutating func add(_ content: FlowerContent) throws(FlowerError) -> String {
    var pairs: [(String, String)] = []
    for (name, record) in content { pairs.append((name, try add(record))) }
    return add(.records, pairs)
  }

  private mutating func add(_ record: FlowerRecord) throws(FlowerError) -> String {
    switch record {
    case .arrays(let arrays):
      var pairs: [(String, String)] = []
      for (name, array) in arrays { pairs.append((name, add(array))) }
      return add(.arrays, pairs)
    case .metrics(let metrics):
      var wire = WireMetricRecord()
      for (name, value) in metrics {
        guard let metric = value.metric else { throw .invalidMetric(name: name) }
        wire.items.append(.with { ($0.key, $0.value) = (name, metric) })
      }
      return add(.metrics, body: serialized(wire))
    case .settings(let settings):
      var wire = WireConfigRecord()
      for (name, value) in settings {
        wire.items.append(.with { ($0.key, $0.value) = (name, value.setting) })
      }
      return add(.settings, body: serialized(wire))
    }
  }

  /// The object of an array; its chunks may repeat, and every distinct one is one child.
  mutating func add(_ array: FlowerArray) -> String {
    let file = array.npy
    let ids = stride(from: 0, to: file.count, by: Self.chunkBytes).map { start in
      add(.chunk, body: file[start..<min(start + Self.chunkBytes, file.count)])
    }
    let distinct = ids.uniqued()
    let places = Dictionary(uniqueKeysWithValues: distinct.enumerated().map { ($1, $0) })
    let body =
      "{\"dtype\": \(PythonJSON.string(array.type.rawValue)), "
      + "\"shape\": \(PythonJSON.list(array.shape)), "
      + "\"stype\": \(PythonJSON.string(Self.numpyEncoding)), "
      + "\"arraychunk_ids\": \(PythonJSON.list(ids.compactMap { places[$0] }))}"
    return add(.array, children: distinct, body: body.utf8)
  }

  private mutating func add(_ kind: FlowerObject.Kind, _ pairs: [(String, String)]) -> String {
    let children = pairs.map(\.1).uniqued()
    return add(kind, children: children, body: PythonJSON.object(pairs).utf8)
  }

  private mutating func add(
    _ kind: FlowerObject.Kind,
    children: [String] = [],
    body: some Collection<UInt8>
  ) -> String {
    let object = FlowerObject(kind, children: children, body: body)
    if places[object.id] == nil {
      places[object.id] = objects.count
      objects.append(object)
    }
    return object.id
  }

  /// The tree below an object that was added.
  func tree(of id: String) -> WireObjectTree {
    var tree = WireObjectTree()
    tree.objectID = id
    if let place = places[id] { tree.children = objects[place].children.map { self.tree(of: $0) } }
    return tree
  }
}

/// A message as bytes.
///
/// Ours have no required fields, so nothing can be missing.
func serialized(_ message: some SwiftProtobuf.Message) -> Data {
  let bytes: Data? = try? message.serializedBytes()
  return bytes ?? Data()
}

extension Sequence<String> {
  /// The distinct texts in the order of their first appearance.
  fileprivate func uniqued() -> [String] {
    var seen: Set<String> = []
    return filter { seen.insert($0).inserted }
  }
}
