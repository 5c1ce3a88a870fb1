import Checkpoints
import Foundation
import SwiftProtobuf

/// Turns objects from a server into content; nothing they say is believed unchecked.
struct ObjectDecoder {
  private let objects: [String: FlowerObject]
  private let limits: FlowerLimits
  private var arrays: [String: FlowerArray] = [:]
  private var decodedBytes = 0

  /// A decoder of objects whose hashes were checked.
  init(_ objects: [FlowerObject], limits: FlowerLimits) {
    self.objects = Dictionary(objects.map { ($0.id, $0) }) { first, _ in first }
    self.limits = limits
  }

  /// What a message holds; its root is an object of kind `Message`.
  mutating func reply(_ root: String) throws(FlowerError) -> FlowerReply {
    let object = try object(root, .message)
    guard let child = object.children.first else {
      let message: WireMessage = try message(object)
      guard message.hasError else {
        throw .malformedObject(id: root, reason: "a message with neither content nor error")
      }
      return .failure(FlowerFailure(message.error))
    }
    guard object.children.count == 1 else {
      throw .malformedObject(id: root, reason: "a message with \(object.children.count) contents")
    }
    return .content(try content(child))
  }

  private mutating func content(_ id: String) throws(FlowerError) -> FlowerContent {
    var content = FlowerContent()
    for (name, child) in try references(in: object(id, .records)) {
      _ = content.append(name, try record(child))
    }
    return content
  }

  private mutating func record(_ id: String) throws(FlowerError) -> FlowerRecord {
    let object = try object(id)
    switch object.kind {
    case .arrays:
      var record = NamedValues<FlowerArray>()
      for (name, child) in try references(in: object) {
        _ = record.append(name, try array(child))
      }
      return .arrays(record)
    case .metrics:
      let wire: WireMetricRecord = try message(object)
      return .metrics(try values(wire.items.map { ($0.key, FlowerValue($0.value)) }, id))
    case .settings:
      let wire: WireConfigRecord = try message(object)
      return .settings(try values(wire.items.map { ($0.key, FlowerValue($0.value)) }, id))
    case .chunk, .array, .records, .message:
      throw .malformedObject(id: id, reason: "\(object.kind.rawValue) where a record belongs")
    }
  }

  private func values(
    _ items: [(String, FlowerValue?)],
    _ id: String
  ) throws(FlowerError) -> NamedValues<FlowerValue> {
    var record = NamedValues<FlowerValue>()
    for (name, value) in items {
      guard let value else {
        throw .malformedObject(id: id, reason: "the value of \(name.prefix(80)) has no known type")
      }
      guard record.append(name, value) else {
        throw .malformedObject(id: id, reason: "\(name.prefix(80)) appears twice")
      }
    }
    return record
  }

  // MARK: - Arrays

  private mutating func array(_ id: String) throws(FlowerError) -> FlowerArray {
    if let known = arrays[id] { return known }
    let object = try object(id, .array)
    let description = try ArrayDescription(object)
    var parts: [Data] = []
    var count = 0
    for place in description.chunks {
      guard object.children.indices.contains(place) else {
        throw .malformedObject(id: id, reason: "chunk \(place) of \(object.children.count)")
      }
      let part = try self.object(object.children[place], .chunk).body
      count += part.count
      // One chunk may stand in the list as often as a server likes.
      guard count <= limits.messageBytes - decodedBytes else {
        throw .tooLarge(what: "arrays of a message, in bytes", limit: limits.messageBytes)
      }
      parts.append(part)
    }
    var file: [UInt8] = []
    file.reserveCapacity(count)
    for part in parts { file.append(contentsOf: part) }
    let array = try FlowerArray(npy: file, id: id)
    guard array.shape == description.shape, array.type.rawValue == description.type else {
      throw .malformedObject(
        id: id,
        reason: "\(array.type.rawValue) \(array.shape.prefix(8)) in an array that is declared as "
          + "\(description.type.prefix(40)) \(description.shape.prefix(8))"
      )
    }
    decodedBytes += count
    arrays[id] = array
    return array
  }

  // MARK: - Objects

  private func object(
    _ id: String,
    _ kind: FlowerObject.Kind? = nil
  ) throws(FlowerError) -> FlowerObject {
    guard let object = objects[id] else { throw .missingObject(id: id) }
    if let kind, object.kind != kind {
      throw .malformedObject(id: id, reason: "\(object.kind.rawValue) where \(kind) belongs")
    }
    return object
  }

  /// The names and ids in an object's body; every id must be one of its children.
  private func references(in object: FlowerObject) throws(FlowerError) -> [(String, String)] {
    let children = Set(object.children)
    guard let pairs = try json(object).objectValue else {
      throw .malformedObject(id: object.id, reason: "the body is not a JSON object")
    }
    var references: [(String, String)] = []
    for (name, value) in pairs {
      guard let id = value.stringValue, children.contains(id) else {
        throw .malformedObject(id: object.id, reason: "\(name.prefix(80)) refers to no child")
      }
      references.append((name, id))
    }
    return references
  }

  private func message<Wire: SwiftProtobuf.Message>(
    _ object: FlowerObject
  ) throws(FlowerError) -> Wire {
    do {
      return try Wire(serializedBytes: object.body)
    } catch {
      throw .malformedObject(id: object.id, reason: "not the protobuf it should be")
    }
  }
}

/// The body of an array's object.
private struct ArrayDescription {
  let type: String
  let shape: [Int]
  let chunks: [Int]

  init(_ object: FlowerObject) throws(FlowerError) {
    let body = try json(object)
    guard let type = body["dtype"]?.stringValue, let encoding = body["stype"]?.stringValue,
      let shape = body["shape"]?.integers, let chunks = body["arraychunk_ids"]?.integers
    else { throw .malformedObject(id: object.id, reason: "not the description of an array") }
    guard encoding == ObjectEncoder.numpyEncoding else {
      throw .unsupportedArray(
        reason: "encoding \(encoding.prefix(80)), only \(ObjectEncoder.numpyEncoding) is read"
      )
    }
    self.type = type
    self.shape = shape
    self.chunks = chunks
  }
}

extension JSONValue {
  fileprivate var integers: [Int]? {
    guard let values = arrayValue else { return nil }
    let integers = values.compactMap(\.intValue)
    return integers.count == values.count ? integers : nil
  }
}

private func json(_ object: FlowerObject) throws(FlowerError) -> JSONValue {
  do {
    return try JSONValue.parse(object.body, limits: JSONLimits(depth: 4, valueCount: 1 << 22))
  } catch {
    throw .malformedObject(id: object.id, reason: "\(error)")
  }
}
