import Checkpoints
import Foundation
import Tensor
import Testing
import TestSupport

@testable import FederatedFlower

/// Files and texts as Python writes them.
@Suite struct PythonFormsTests {
  private func fixture(_ name: String) throws -> JSONValue {
    try JSONValue.parse(Data(contentsOf: URL(fileURLWithPath: Fixtures.file("flower/" + name))))
  }

  @Test func arraysAreReadAndWrittenAsNumPyDoes() throws {
    let items = try #require(fixture("arrays.json").arrayValue)
    #expect(items.count > 40)
    for item in items {
      let npy = try #require(base64(item["npy"]))
      let array = try FlowerArray(npy: Array(npy), id: "case")
      let shape = item["shape"]?.arrayValue?.compactMap(\.intValue)
      #expect(array.type.rawValue == item["dtype"]?.stringValue)
      #expect(array.shape == shape)
      #expect(Data(array.bytes) == base64(item["elements"]))
      if item["canonical"]?.boolValue == true {
        #expect(Data(array.npy) == npy, "\(array.type) \(array.shape)")
      }
    }
  }

  @Test func textsAreEscapedAsPythonDoes() throws {
    let items = try #require(fixture("texts.json")["texts"]?.arrayValue)
    for item in items {
      let text = String(decoding: try #require(base64(item[0])), as: UTF8.self)
      #expect(PythonJSON.string(text) == item[1]?.stringValue)
    }
  }

  @Test func timesAreWrittenAsPythonDoes() throws {
    let items = try #require(fixture("texts.json")["times"]?.arrayValue)
    for item in items {
      #expect(FlowerClock.stamp(try #require(item[0]?.doubleValue)) == item[1]?.stringValue)
    }
  }

  /// RFC 9110, 5.6.7: the example of the specification is 784,111,777 s after 1970.
  @Test func datesOfHeadersAreRead() {
    let date = FlowerClock.date("Sun, 06 Nov 1994 08:49:37 GMT")
    #expect(date?.timeIntervalSince1970 == 784_111_777)
    for bad in ["", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nix 1994 08:49:37 GMT", "0 0 0 0 0 GMT"] {
      #expect(FlowerClock.date(bad) == nil)
    }
  }

  /// A server's date moves the clock; none may move it to where times cannot be written.
  @Test(arguments: [
    "Sat, 01 Jan 0000 00:00:00 GMT", "Wed, 31 Dec 1969 23:59:59 GMT",
    "Sat, 01 Jan -900 00:00:00 GMT",
    "Fri, 01 Jan 10000 00:00:00 GMT", "Sun, 06 Nov 1994 99999999999:49:37 GMT",
    "Sun, 9999999999999 Nov 1994 08:49:37 GMT",
  ])
  func clocksAreNotSetByImpossibleDates(header: String) {
    let clock = FlowerClock { Date(timeIntervalSince1970: 1e9) }
    #expect(!clock.adjust(to: header) && clock.difference == 0)
    #expect(clock.stamp == "2001-09-09T01:46:40.000000+00:00")
  }

  @Test func numbersOfEveryTypeBecomeFloats() throws {
    let items = try #require(fixture("arrays.json").arrayValue)
    for item in items {
      let array = try FlowerArray(npy: Array(try #require(base64(item["npy"]))), id: "case")
      guard array.shape.count <= 6 else {
        #expect(throws: FlowerError.self) { try array.floats() }
        continue
      }
      let floats = try array.floats()
      #expect(floats.shape.extents == array.shape)
      if array.type == .float32 {
        #expect(FlowerArray(floats) == array)
      }
    }
    let bytes = FlowerArray(type: .int8, shape: [3], bytes: [0x80, 0xFF, 0x7F])
    #expect(try bytes.floats().elements == [-128, -1, 127])
    let halves = FlowerArray(type: .float16, shape: [2], bytes: [0x00, 0x3C, 0x00, 0xC1])
    #expect(try halves.floats().elements == [1, -2.5])
    let wide = FlowerArray(
      type: .uint64,
      shape: [1],
      bytes: [255, 255, 255, 255, 255, 255, 255, 255]
    )
    #expect(try wide.floats().elements == [0x1p64])
    let truths = FlowerArray(type: .bool, shape: [3], bytes: [0, 1, 2])
    #expect(try truths.floats().elements == [0, 1, 1])
  }

  @Test func namesAreComparedByteByByte() {
    var values: NamedValues<Int> = ["e\u{301}": 1, "\u{e9}": 2, "e\u{301}": 3]
    #expect(values.count == 2)
    #expect(values["\u{e9}"] == 2)
    #expect(values.names.first.map { Array($0.utf8) } == [0x65, 0xCC, 0x81])
    values["\u{e9}"] = 4
    #expect(values.values == [3, 4])
  }
}
