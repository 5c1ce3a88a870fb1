import Checkpoints
import Crypto
import Foundation
import SwiftProtobuf
import Tensor
import Testing
import TestSupport

@testable import FederatedFlower

/// One message of `flower_objects.json`, made by Flower itself.
struct FlowerObjectsCase: CustomTestStringConvertible, Sendable {
  let file: String
  let json: JSONValue

  var name: String { json["name"]?.stringValue ?? "unnamed" }
  var testDescription: String { "\(file) \(name)" }
  var objects: [JSONValue]? { json["objects"]?.arrayValue }

  static let all: [FlowerObjectsCase] = Fixtures.names(in: "federated", suffix: ".json")
    .filter { $0.hasPrefix("flower_objects") }
    .flatMap { file in
      let data = try? Data(contentsOf: URL(fileURLWithPath: Fixtures.file("federated/" + file)))
      let json = data.flatMap { try? JSONValue.parse($0) }
      return (json?["cases"]?.arrayValue ?? []).map { FlowerObjectsCase(file: file, json: $0) }
    }
  static let messages = all.filter { $0.objects != nil }
  static let chunked = all.filter { $0.objects == nil }

  func root() throws -> String { try #require(json["message_object_id"]?.stringValue) }

  /// The objects as they would arrive.
  func parsed() throws -> [FlowerObject] {
    try #require(objects).map { object in
      let bytes = try #require(base64(object["bytes_b64"]))
      let parsed = try FlowerObject(bytes, id: try #require(object["id"]?.stringValue))
      #expect(parsed.kind.rawValue == object["type"]?.stringValue)
      return parsed
    }
  }

  /// The metadata inside the message's object.
  func metadata(_ objects: [FlowerObject]) throws -> WireMetadata {
    let object = try #require(objects.first { $0.kind == .message })
    return try WireMessage(serializedBytes: object.body).metadata
  }
}

func base64(_ json: JSONValue?) -> Data? { json?.stringValue.flatMap { Data(base64Encoded: $0) } }

extension FederatedConformance {
  @Test func flowerObjectsAreThere() {
    #expect(!FlowerObjectsCase.messages.isEmpty)
    #expect(!FlowerObjectsCase.chunked.isEmpty)
  }

  @Test(arguments: FlowerObjectsCase.messages)
  func flowerObjectsDecodeAndEncodeToTheSameBytes(_ item: FlowerObjectsCase) throws {
    let objects = try item.parsed()
    var decoder = ObjectDecoder(objects, limits: FlowerLimits())
    let reply = try decoder.reply(item.root())
    try expectEncoding(of: reply, item, objects)
  }

  @Test(arguments: FlowerObjectsCase.messages)
  func flowerContentIsWhatFlowerPutIn(_ item: FlowerObjectsCase) throws {
    let objects = try item.parsed()
    var decoder = ObjectDecoder(objects, limits: FlowerLimits())
    let reply = try decoder.reply(item.root())
    let given = try #require(item.json["content"]?.objectValue)
    if let error = item.json["content"]?["error"] {
      let code = try #require(error["code"]?.integerValue.flatMap(FlowerFailure.Code.init))
      let failure = FlowerFailure(code, try #require(error["reason"]?.stringValue))
      #expect(reply == .failure(failure))
      try expectEncoding(of: .failure(failure), item, objects)
    } else if !given.keys.contains("note") {
      let content = try Expected.content(given)
      guard case .content(let found) = reply else {
        Issue.record("an error in place of the content")
        return
      }
      #expect(found.names == content.names)
      // A case may describe some of its arrays only.
      for (name, record) in content { try expect(found[name], has: record) }
      if found == content { try expectEncoding(of: .content(content), item, objects) }
    }
  }

  private func expect(_ found: FlowerRecord?, has expected: FlowerRecord) throws {
    guard case .arrays(let expected) = expected, case .arrays(let found) = found else {
      #expect(found == expected)
      return
    }
    #expect(!expected.isEmpty)
    for (name, array) in expected { #expect(found[name] == array, "\(name)") }
  }

  @Test(arguments: FlowerObjectsCase.messages)
  func flowerTreesAreTheSame(_ item: FlowerObjectsCase) throws {
    let objects = try item.parsed()
    let wire = try WireObjectTree(
      serializedBytes: try #require(base64(item.json["tree_proto_b64"]))
    )
    #expect(try wire.ids(limits: FlowerLimits()) == objects.map(\.id))
  }

  @Test(arguments: FlowerObjectsCase.chunked)
  func flowerArraysAreCutIntoChunks(_ item: FlowerObjectsCase) throws {
    let count = try #require(item.json["content"]?["n"]?.intValue)
    let array = FlowerArray(
      type: .float32,
      shape: [count],
      bytes: [UInt8](repeating: 0, count: 4 * count)
    )
    var encoder = ObjectEncoder()
    let id = encoder.add(array)
    #expect(array.npy.count == item.json["content"]?["npy_bytes"]?.intValue)
    #expect(id == item.json["array_object_id"]?.stringValue)
    #expect(encoder.objects.last?.bytes == base64(item.json["array_object_b64"]))
    let chunks = Dictionary(uniqueKeysWithValues: encoder.objects.map { ($0.id, $0.body.count) })
    let ids = try #require(item.json["chunk_ids_in_order"]?.arrayValue).compactMap(\.stringValue)
    let lengths = try #require(item.json["chunk_lengths"]?.arrayValue).map(\.intValue)
    #expect(ids.map { chunks[$0] } == lengths)
    let record = try encoder.add(["arrays": .arrays(["w": array])])
    let message = FlowerObject(.message, children: [record], body: [])
    var decoder = ObjectDecoder(encoder.objects + [message], limits: FlowerLimits())
    #expect(try decoder.reply(message.id) == .content(["arrays": .arrays(["w": array])]))
  }

  private func expectEncoding(
    of reply: FlowerReply,
    _ item: FlowerObjectsCase,
    _ objects: [FlowerObject]
  ) throws {
    var encoder = ObjectEncoder()
    let id = try encoder.add(try item.metadata(objects), reply)
    #expect(id == (try item.root()))
    #expect(encoder.objects.map(\.id) == objects.map(\.id))
    #expect(encoder.objects.map(\.bytes) == objects.map(\.bytes))
    let tree: Data = try encoder.tree(of: id).serializedBytes()
    #expect(tree == base64(item.json["tree_proto_b64"]))
  }
}

/// The content that a case describes.
private enum Expected {
  static func content(_ given: JSONObject) throws -> FlowerContent {
    var content = FlowerContent()
    for (name, record) in given {
      if let arrays = record.objectValue {
        content[name] = .arrays(NamedValues(try arrays.map { ($0.key, try array($0.value)) }))
      } else {
        let items = try #require(record.arrayValue)
        let values = NamedValues(
          try items.map { item in
            (try #require(item[0]?.stringValue), try value(item))
          }
        )
        content[name] = name == "metrics" ? .metrics(values) : .settings(values)
      }
    }
    return content
  }

  private static func array(_ json: JSONValue) throws -> FlowerArray {
    let name = try #require(json["dtype"]?.stringValue)
    let type = try #require(FlowerNumberType(rawValue: name))
    let shape = try #require(json["shape"]?.arrayValue).compactMap(\.intValue)
    let npy = try #require(base64(json["npy_b64"]))
    let byteCount = try #require(FlowerArray.byteCount(type, shape))
    let array = FlowerArray(type: type, shape: shape, bytes: Array(npy.suffix(byteCount)))
    #expect(Data(array.npy) == npy)
    if let values = json["values"]?.arrayValue {
      #expect(try array.floats().elements == values.compactMap { $0.doubleValue.map(Float.init) })
    }
    return array
  }

  private static func value(_ item: JSONValue) throws -> FlowerValue {
    let json = try #require(item[2])
    let list = json.arrayValue ?? []
    switch try #require(item[1]?.stringValue) {
    case "double": return .double(try #require(json.doubleValue))
    case "sint64": return .integer(try #require(json.integerValue))
    case "uint64": return .unsigned(try #require(json.integerValue.flatMap { UInt64(exactly: $0) }))
    case "bool": return .truth(try #require(json.boolValue as Bool?) == true)
    case "string": return .text(try #require(json.stringValue))
    case "bytes": return .bytes(Array(try #require(base64(json))))
    case "double_list": return .doubles(list.compactMap(\.doubleValue))
    case "sint_list": return .integers(list.compactMap(\.integerValue))
    case "uint_list": return .unsigneds(list.compactMap { $0.integerValue.map(UInt64.init) })
    case "bool_list": return .truths(list.compactMap(\.boolValue))
    case "string_list": return .texts(list.compactMap(\.stringValue))
    case "bytes_list": return .byteLists(list.compactMap { base64($0).map { Array($0) } })
    case let type:
      Issue.record("type \(type) of the case is not known")
      return .truth(false)
    }
  }
}
