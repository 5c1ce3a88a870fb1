import Crypto
import Federated
import Foundation
import SwiftProtobuf
import Tensor

@testable import FederatedFlower
@testable import FederatedService

extension FuzzTarget {
  static let flower = [objects, rawObject, flowerArray, fleetAnswer, journal, keyFile, serverTime]

  /// The objects of a message; see `ObjectBlocks`.
  private static let objects = FuzzTarget(
    name: "flower-objects",
    words: [
      "{\"dtype\": \"float32\", ", "\"shape\": [", "\"stype\": \"numpy.ndarray\"",
      "\"arraychunk_ids\": [",
      "'fortran_order': True", "'descr': '>f8'", "9223372036854775807", "\u{93}NUMPY",
    ],
    seeds: {
      var encoder = ObjectEncoder()
      let reply = FlowerReply.content(
        .trained(
          arrays: ["w": FlowerArray(Tensor<Float>([1, 2, 3, 4], shape: [2, 2]))],
          metrics: ["loss": .double(0.5), "counts": .integers([1, -2])],
          exampleCount: 5
        )
      )
      _ = try encoder.add(WireMetadata(), reply)
      var failing = ObjectEncoder()
      _ = try failing.add(WireMetadata(), .failure(FlowerFailure(.unknown, "no")))
      return [ObjectBlocks.bytes(encoder.objects), ObjectBlocks.bytes(failing.objects)]
    }
  ) { bytes in
    let objects = ObjectBlocks.objects(bytes)
    guard let root = objects.last else { return }
    var decoder = ObjectDecoder(objects, limits: FlowerLimits(messageBytes: 1 << 24))
    guard case .content(let content) = try decoder.reply(root.id) else { return }
    _ = content.settings
    if let arrays = content.arrays { _ = try ParameterSet(arrays) }
    // What was read can be sent.
    var encoder = ObjectEncoder()
    _ = try encoder.add(WireMetadata(), .content(content))
  }

  private static let rawObject = FuzzTarget(
    name: "flower-object",
    words: ["ArrayRecord ", "Message ", "RecordDict ", "ArrayChunk ", "\u{0}", ","],
    seeds: {
      let chunk = FlowerObject(.chunk, body: [1, 2, 3])
      return [chunk, FlowerObject(.array, children: [chunk.id], body: Array("{}".utf8))]
        .map { [UInt8]($0.bytes) }
    }
  ) { bytes in
    let data = Data(bytes)
    let object = try FlowerObject(data, id: FlowerObject.id(of: data))
    demand(object.body.count < data.count, "a body longer than its object")
    var tree = WireObjectTree()
    tree.objectID = object.id
    tree.children = object.children.map { id in .with { $0.objectID = id } }
    _ = try tree.ids(limits: FlowerLimits())
  }

  private static let flowerArray = FuzzTarget(
    name: "flower-array",
    words: [
      "'descr': '>f8'", "'fortran_order': True", "'shape': (", "'|b1'", "'<f2'", "(0, 4294967296,",
    ],
    seeds: {
      struct Case: Decodable { var npy: Data }
      let data = Data(try Samples.file("flower/arrays.json"))
      return try JSONDecoder().decode([Case].self, from: data).map { [UInt8]($0.npy) }
        .filter { $0.count < 2000 }
    }
  ) { bytes in
    let array = try FlowerArray(npy: bytes, id: "fuzz")
    _ = try array.floats()
    demand(try FlowerArray(npy: array.npy, id: "copy") == array, "its copy is another array")
  }

  /// Answers of the Fleet API; the first byte chooses the call.
  private static let fleetAnswer = FuzzTarget(
    name: "fleet-answer",
    seeds: {
      var pull = WirePullMessagesResponse()
      var message = WireMessage()
      message.metadata = .with {
        ($0.runID, $0.messageID, $0.messageType, $0.ttl) = (1, "m", "train", 5)
      }
      message.error = .with { ($0.code, $0.reason) = (1, "r") }
      pull.messagesList = [message]
      let id = FlowerObject(.chunk, body: [1]).id
      pull.messageObjectTrees = [.with { $0.objectID = id }]
      var run = WireGetRunResponse()
      run.run = .with {
        $0.runID = 1
        $0.overrideConfig = ["rate": .with { $0.double = 0.5 }]
      }
      return [[0] + serialized(pull), [1] + serialized(run)]
    }
  ) { bytes in
    let body = Data(bytes.dropFirst())
    switch (bytes.first ?? 0) % 3 {
    case 0:
      let answer = try WirePullMessagesResponse(serializedBytes: body)
      for tree in answer.messageObjectTrees { _ = try? tree.ids(limits: FlowerLimits()) }
      for message in answer.messagesList { _ = FlowerFailure(message.error) }
    case 1:
      _ = FlowerRun(try WireGetRunResponse(serializedBytes: body).run)
    default:
      _ = try WirePullObjectResponse(serializedBytes: body)
    }
  }

  private static let journal = FuzzTarget(
    name: "message-journal",
    seeds: {
      var entry = JournalEntry()
      let object = FlowerObject(.chunk, body: [1])
      (entry.rootID, entry.objects) = (object.id, [JournalStoredObject(object)])
      entry.attempts = 1
      return [[UInt8](serialized(entry))]
    }
  ) { bytes in
    let journal = MessageJournal(path: Scratch.file("fuzz.journal", bytes))
    guard let entry = try journal.load(limits: FlowerLimits()) else { return }
    for stored in entry.objects { _ = try? FlowerObject(stored.content, id: stored.objectID) }
  }

  private static let keyFile = FuzzTarget(
    name: "flower-key",
    words: [
      "-----BEGIN OPENSSH PRIVATE KEY-----\n", "-----END OPENSSH PRIVATE KEY-----\n", "ENCRYPTED",
      "-----BEGIN PRIVATE KEY-----\n", "-----BEGIN EC PRIVATE KEY-----\n", "AAAAAA", "\n",
    ],
    seeds: {
      struct Keys: Decodable { var files: [String: String] }
      let data = Data(try Samples.file("flower/keys.json"))
      return try JSONDecoder().decode(Keys.self, from: data).files.values.sorted()
        .map { Array($0.utf8) }
    }
  ) { bytes in
    _ = try FlowerIdentity(text: String(decoding: bytes, as: UTF8.self), path: "fuzz")
  }

  /// The times that servers tell, which clocks are set by.
  private static let serverTime = FuzzTarget(
    name: "server-time",
    words: [
      "Sun, 06 Nov 1994 08:49:37 GMT", " GMT", "Jan", "Dec", "9223372036854775807", "-1",
      "00:00:00",
      "99999999", "0000",
    ],
    seeds: { ["Sun, 06 Nov 1994 08:49:37 GMT", "1764309600000"].map { Array($0.utf8) } }
  ) { bytes in
    let text = String(decoding: bytes, as: UTF8.self)
    let clock = FlowerClock()
    _ = clock.adjust(to: text)
    demand(!clock.stamp.isEmpty, "a time without a text")
    let other = ServiceClock { 1.7e9 }
    _ = other.adjust(to: ["x-apus-time": text])
    demand(other.milliseconds >= 0, "a time before 1970")
  }
}

/// Objects in a form whose parts can be changed one by one: hashes are made when it is read.
///
///     kind | number of children | their places | length of the body, 2 bytes | body
///
/// for each object. In a body the byte 1 and a place stand for the hash of the object there.
private enum ObjectBlocks {
  private static let kinds: [FlowerObject.Kind] = [
    .chunk, .array, .arrays, .settings, .metrics, .records, .message,
  ]

  static func objects(_ bytes: [UInt8]) -> [FlowerObject] {
    var objects: [FlowerObject] = []
    var rest = bytes[...]
    func next() -> Int? { rest.popFirst().map { Int($0) } }
    while objects.count < 64, let kind = next(), let childCount = next() {
      let places = rest.prefix(childCount)
      rest = rest.dropFirst(childCount)
      guard let low = next(), let high = next() else { break }
      let children = places.compactMap { place in
        objects.indices.contains(Int(place)) ? objects[Int(place)].id : nil
      }
      let body = expanded(rest.prefix(low + 256 * high), objects)
      rest = rest.dropFirst(low + 256 * high)
      objects.append(FlowerObject(kinds[kind % kinds.count], children: children, body: body))
    }
    return objects
  }

  private static func expanded(_ body: ArraySlice<UInt8>, _ objects: [FlowerObject]) -> [UInt8] {
    var result: [UInt8] = []
    var rest = body
    while let byte = rest.popFirst() {
      if byte == 1, let place = rest.first, objects.indices.contains(Int(place)) {
        rest.removeFirst()
        result += objects[Int(place)].id.utf8
      } else {
        result.append(byte)
      }
    }
    return result
  }

  static func bytes(_ objects: [FlowerObject]) -> [UInt8] {
    let places = Dictionary(uniqueKeysWithValues: objects.enumerated().map { ($1.id, $0) })
    return objects.flatMap { object -> [UInt8] in
      var text = [UInt8](object.body)
      for child in object.children {
        while let range = text.firstRange(of: Array(child.utf8)) {
          text.replaceSubrange(range, with: [1, UInt8(places[child] ?? 0)])
        }
      }
      let children = object.children.map { UInt8(places[$0] ?? 0) }
      let kind = UInt8(kinds.firstIndex(of: object.kind) ?? 0)
      return [kind, UInt8(children.count)] + children
        + [UInt8(text.count % 256), UInt8(text.count / 256)] + text
    }
  }
}
