import Foundation
import SwiftProtobuf
import Testing

@testable import FederatedFlower

/// What a broken or hostile server may send.
@Suite struct HostileObjectsTests {
  private let limits = FlowerLimits(answerBytes: 1 << 20, messageBytes: 1 << 20, objectCount: 100)

  /// A message around an object of records.
  private func decode(_ objects: [FlowerObject], _ records: FlowerObject) throws -> FlowerReply {
    let message = FlowerObject(.message, children: [records.id], body: [])
    var decoder = ObjectDecoder(objects + [records, message], limits: limits)
    return try decoder.reply(message.id)
  }

  /// A message around one array, given by the body of its object and its chunks.
  private func decode(array body: String, _ chunks: [FlowerObject]) throws -> FlowerReply {
    let array = FlowerObject(.array, children: chunks.map(\.id), body: body.utf8)
    let arrays = FlowerObject(
      .arrays,
      children: [array.id],
      body: PythonJSON.object([("w", array.id)]).utf8
    )
    let records = FlowerObject(
      .records,
      children: [arrays.id],
      body: PythonJSON.object([("arrays", arrays.id)]).utf8
    )
    return try decode(chunks + [array, arrays], records)
  }

  private let good = FlowerArray(type: .uint8, shape: [4], bytes: [1, 2, 3, 4])

  private func description(
    type: String = "uint8",
    shape: String = "[4]",
    encoding: String = "numpy.ndarray",
    chunks: String = "[0]"
  ) -> String {
    "{\"dtype\": \"\(type)\", \"shape\": \(shape), \"stype\": \"\(encoding)\", "
      + "\"arraychunk_ids\": \(chunks)}"
  }

  @Test func theGoodArrayDecodes() throws {
    let reply = try decode(array: description(), [FlowerObject(.chunk, body: good.npy)])
    #expect(reply == .content(["arrays": .arrays(["w": good])]))
  }

  @Test(arguments: [
    #"{"dtype": "float32", "shape": [4], "stype": "numpy.ndarray", "arraychunk_ids": [0]}"#,
    #"{"dtype": "uint8", "shape": [2, 2], "stype": "numpy.ndarray", "arraychunk_ids": [0]}"#,
    #"{"dtype": "uint8", "shape": [4], "stype": "numpy.ndarray", "arraychunk_ids": [1]}"#,
    #"{"dtype": "uint8", "shape": [4], "stype": "numpy.ndarray", "arraychunk_ids": [-1]}"#,
    #"{"dtype": "uint8", "shape": [4], "stype": "numpy.ndarray", "arraychunk_ids": [0.5]}"#,
    #"{"dtype": "uint8", "shape": [4], "stype": "numpy.ndarray", "arraychunk_ids": [0, 0]}"#,
    #"{"dtype": "uint8", "shape": [4], "stype": "numpy.ndarray", "arraychunk_ids": []}"#,
    #"{"dtype": "uint8", "shape": "[4]", "stype": "numpy.ndarray", "arraychunk_ids": [0]}"#,
    #"{"dtype": "uint8", "shape": [4], "stype": "zip", "arraychunk_ids": [0]}"#,
    #"{"dtype": "uint8", "shape": [4]}"#, "[]", "", "{", "null",
    String(repeating: "[", count: 100_000),
  ])
  func wrongDescriptionsAreRefused(_ body: String) {
    #expect(throws: FlowerError.self) {
      try decode(array: body, [FlowerObject(.chunk, body: good.npy)])
    }
  }

  @Test func headersThatPromiseTooMuchAreRefused() {
    for shape in [
      "(1000000000000,)", "(9223372036854775807, 9223372036854775807)", "(5,)", "(3,)",
      "(99999999999999999999999,)", "(-4,)", "(4", "4",
    ] {
      let text = "{'descr': '|u1', 'fortran_order': False, 'shape': \(shape), }\n"
      let head: [UInt8] = [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59, 1, 0, UInt8(text.utf8.count), 0]
      let file = head + Array(text.utf8) + [1, 2, 3, 4]
      #expect(throws: FlowerError.self) { try FlowerArray(npy: file, id: "x") }
    }
    for code in ["|O", "<M8[s]", "<U4", "<f16", "|V4", "|f4", ""] {
      let text = "{'descr': '\(code)', 'fortran_order': False, 'shape': (1,), }\n"
      let head: [UInt8] = [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59, 1, 0, UInt8(text.utf8.count), 0]
      let file = head + Array(text.utf8) + [1, 2, 3, 4]
      #expect(throws: FlowerError.self) { try FlowerArray(npy: file, id: "x") }
    }
  }

  @Test func everyTruncationAndFlipOfAnArrayIsSafe() {
    let file = FlowerArray(type: .float32, shape: [2, 3], bytes: (0..<24).map { $0 }).npy
    for place in file.indices {
      _ = try? FlowerArray(npy: Array(file[..<place]), id: "x")
      for bit in 0..<8 {
        var flipped = file
        flipped[place] ^= 1 << bit
        _ = try? FlowerArray(npy: flipped, id: "x")
      }
    }
  }

  /// A chunk of 64 KiB listed 1,000 times would be 64 MiB, 64 times the limit.
  @Test func aChunkThatRepeatsDoesNotFillTheMemory() {
    let chunk = FlowerObject(.chunk, body: [UInt8](repeating: 0, count: 65_536))
    let list = "[" + repeatElement("0", count: 1000).joined(separator: ",") + "]"
    let error = #expect(throws: FlowerError.self) {
      try decode(array: description(shape: "[1]", chunks: list), [chunk])
    }
    #expect(error == .tooLarge(what: "arrays of a message, in bytes", limit: 1 << 20))
  }

  @Test func missingAndMisplacedObjectsAreNamed() throws {
    let chunk = FlowerObject(.chunk, body: good.npy)
    let array = FlowerObject(.array, children: [chunk.id], body: description().utf8)
    let arrays = FlowerObject(
      .arrays,
      children: [array.id],
      body: PythonJSON.object([("w", array.id)]).utf8
    )
    let records = FlowerObject(
      .records,
      children: [arrays.id],
      body: PythonJSON.object([("a", arrays.id)]).utf8
    )
    #expect(throws: FlowerError.missingObject(id: chunk.id)) {
      try decode([array, arrays], records)
    }
    let wrong = FlowerObject(
      .records,
      children: [chunk.id],
      body: PythonJSON.object([("a", chunk.id)]).utf8
    )
    #expect(throws: FlowerError.self) { try decode([chunk], wrong) }
    let foreign = FlowerObject(.records, body: PythonJSON.object([("a", arrays.id)]).utf8)
    #expect(throws: FlowerError.self) { try decode([chunk, array, arrays], foreign) }
  }

  @Test func objectsThatAreNotTheirHashAreRefused() {
    let object = FlowerObject(.chunk, body: [1, 2, 3])
    #expect(throws: Never.self) { try FlowerObject(object.bytes, id: object.id) }
    var other = object.bytes
    other[other.count - 1] ^= 1
    #expect(throws: FlowerError.self) { try FlowerObject(other, id: object.id) }
  }

  @Test(arguments: [
    "", "ArrayChunk  3", "ArrayChunk  3\0ab", "ArrayChunk  2\0abc", "ArrayChunk 3\0abc",
    "ArrayChunk  +3\0abc", "Chunk  3\0abc", "ArrayChunk   3\0abc", "ArrayChunk abc 3\0abc",
    "ArrayChunk , 3\0abc", "ArrayChunk  99999999999999999999\0abc",
  ])
  func wrongHeadersAreRefused(_ text: String) {
    let bytes = Data(text.utf8)
    #expect(throws: FlowerError.self) { try FlowerObject(bytes, id: FlowerObject.id(of: bytes)) }
  }

  @Test func treesAreBounded() throws {
    func id(_ number: Int) -> String {
      let digits = String(number, radix: 16)
      return String(repeating: "0", count: 64 - digits.count) + digits
    }
    var deep = WireObjectTree.with { $0.objectID = id(0) }
    for number in 1..<20 {
      let child = deep
      deep = .with { ($0.objectID, $0.children) = (id(number), [child]) }
    }
    #expect(throws: FlowerError.self) { try deep.ids(limits: limits) }
    let wide = WireObjectTree.with {
      $0.objectID = id(0)
      $0.children = (1...100).map { number in .with { $0.objectID = id(number) } }
    }
    #expect(throws: FlowerError.self) { try wide.ids(limits: limits) }
    let same = WireObjectTree.with {
      $0.objectID = id(0)
      $0.children = (1...1000).map { _ in .with { $0.objectID = id(7) } }
    }
    #expect(try same.ids(limits: limits) == [id(7), id(0)])
    for text in [
      "", "../../etc/passwd", id(0).uppercased() + "A", String(repeating: "G", count: 64),
    ] {
      let named = WireObjectTree.with { $0.objectID = text }
      #expect(throws: FlowerError.self) { try named.ids(limits: limits) }
    }
  }

  @Test func metricsAreNumbers() {
    var encoder = ObjectEncoder()
    #expect(throws: FlowerError.invalidMetric(name: "name")) {
      try encoder.add(["metrics": .metrics(["name": "text"])])
    }
  }
}
