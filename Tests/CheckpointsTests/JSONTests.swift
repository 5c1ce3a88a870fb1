import Checkpoints
import Foundation
import Testing

@Suite struct JSONTests {
  @Test func readsEveryKindOfValue() throws {
    let text = #" {"a": [null, true, false, -1, 0, 1.5, "x\n\u00e9\ud83d\ude00\/"], "b": {}} "#
    let expected: JSONValue = [
      "a": [nil, true, false, -1, 0, 1.5, "x\n\u{e9}\u{1F600}/"], "b": [:],
    ]
    #expect(try JSONValue.parse(text) == expected)
  }

  @Test(arguments: [
    ("1", JSONValue.integer(1)), ("-0", .integer(0)), ("1.0", .number(1)), ("1e0", .number(1)),
    ("9223372036854775807", .integer(.max)), ("-9223372036854775808", .integer(.min)),
    ("9223372036854775808", .number(9_223_372_036_854_775_808)),
    ("-9223372036854775809", .number(-9_223_372_036_854_775_808)),
    ("18446744073709551616", .number(18_446_744_073_709_551_616)), ("0.1", .number(0.1)),
    ("-1.25E+2", .number(-125)), ("1e-400", .number(0)),
    ("5e-324", .number(.leastNonzeroMagnitude)),
    ("0.000000000000000000000001", .number(1e-24)),
    ("1.7976931348623157e308", .number(.greatestFiniteMagnitude)),
    ("123456789012345678901234567890e-10", .number(12345678901234567890.1234567890)),
    ("0.30000000000000004", .number(0.1 + 0.2)),
    ("9007199254740993e0", .number(9_007_199_254_740_992)),
  ])
  func readsNumbersExactly(_ text: String, _ expected: JSONValue) throws {
    #expect(try JSONValue.parse(text) == expected)
  }

  @Test func readsRandomDoublesExactly() throws {
    var state: UInt64 = 7
    for _ in 0..<20_000 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let value = Double(bitPattern: state)
      guard value.isFinite else { continue }
      #expect(try JSONValue.parse(JSONValue.number(value).serialized()) == .number(value))
    }
  }

  @Test(arguments: [
    ("", 0, JSONError.Reason.unexpectedEnd), ("  ", 2, .unexpectedEnd),
    ("\u{FEFF}1", 0, .unexpectedByte(0xEF, expected: "a value")),
    ("tru", 3, .unexpectedEnd), ("[1", 2, .unexpectedEnd), ("\"abc", 4, .unexpectedEnd),
    ("1 x", 2, .trailingBytes), ("[1 2]", 3, .unexpectedByte(0x32, expected: "',' or ']'")),
    ("[1,]", 3, .unexpectedByte(0x5D, expected: "a value")),
    ("{\"a\":1,}", 7, .unexpectedByte(0x7D, expected: "a string")),
    ("{a:1}", 1, .unexpectedByte(0x61, expected: "a string")),
    ("01", 0, .invalidNumber), ("-", 1, .unexpectedEnd),
    ("+1", 0, .unexpectedByte(0x2B, expected: "a value")),
    ("1.", 2, .unexpectedEnd), ("1.e1", 0, .invalidNumber),
    (".5", 0, .unexpectedByte(0x2E, expected: "a value")),
    ("1e", 2, .unexpectedEnd), ("1e400", 0, .numberOutOfRange),
    ("[1e99999999999999999999]", 1, .numberOutOfRange),
    ("NaN", 0, .unexpectedByte(0x4E, expected: "a value")),
    ("\"a\u{1}\"", 2, .controlCharacter(1)), ("\"\\x\"", 1, .invalidEscape),
    ("\"\\u12g4\"", 5, .invalidEscape), ("\"\\ud800\"", 1, .loneSurrogate),
    ("\"\\udc00\"", 1, .loneSurrogate), ("\"\\ud800\\u0041\"", 1, .loneSurrogate),
    ("{\"a\":1,\"\\u0061\":2}", 7, .duplicateKey("a")),
  ])
  func refusesWithPlaceAndReason(_ text: String, _ offset: Int, _ reason: JSONError.Reason) {
    #expect(throws: JSONError(offset: offset, reason: reason)) { try JSONValue.parse(text) }
  }

  @Test(arguments: [
    ([0x22, 0x61, 0xFF, 0x22], 2), ([0x22, 0xC0, 0x80, 0x22], 1),
    ([0x22, 0xED, 0xA0, 0x80, 0x22], 1),
    ([0x22, 0x5C, 0x6E, 0xC3, 0x22], 3), ([0x22, 0xC3, 0x5C, 0x6E, 0x22], 1),
    ([0x22, 0xC3, 0xA9, 0xF4, 0x90, 0x80, 0x80, 0x22], 3),
  ])
  func refusesBytesThatAreNotUTF8(_ bytes: [UInt8], _ offset: Int) {
    #expect(throws: JSONError(offset: offset, reason: .invalidUTF8)) {
      try JSONValue.parse(bytes)
    }
  }

  @Test func limitsHold() throws {
    let nested = String(repeating: "[", count: 100_000)
    #expect(throws: JSONError(offset: 128, reason: .tooDeep(limit: 128))) {
      try JSONValue.parse(nested)
    }
    #expect(try JSONValue.parse("[[1]]", limits: JSONLimits(depth: 2)) == [[1]])
    #expect(throws: JSONError(offset: 1, reason: .tooDeep(limit: 1))) {
      try JSONValue.parse("[[1]]", limits: JSONLimits(depth: 1))
    }
    #expect(throws: JSONError(offset: 3, reason: .tooManyValues(limit: 2))) {
      try JSONValue.parse("[1,2]", limits: JSONLimits(valueCount: 2))
    }
    #expect(throws: JSONError(offset: 3, reason: .tooLong(limit: 3))) {
      try JSONValue.parse("1234", limits: JSONLimits(byteCount: 3))
    }
    #expect(try JSONValue.parse("1  ", limits: JSONLimits(trailing: .spaces)) == 1)
    #expect(throws: JSONError(offset: 1, reason: .trailingBytes)) {
      try JSONValue.parse("1\n", limits: JSONLimits(trailing: .spaces))
    }
    #expect(throws: JSONError(offset: 1, reason: .trailingBytes)) {
      try JSONValue.parse("1 ", limits: JSONLimits(trailing: .nothing))
    }
  }

  @Test func keysAreComparedByBytes() throws {
    // Both forms of é are keys of byte-level vocabularies.
    let value = try JSONValue.parse("{\"\u{e9}\": 1, \"e\u{301}\": 2}")
    #expect(value["\u{e9}"] == 1)
    #expect(value["e\u{301}"] == 2)
    #expect(value.objectValue?.count == 2)
  }

  @Test(arguments: [0, 1, 8, 9, 10, 100, 5000])
  func objectsKeepOrderAndFindKeys(_ count: Int) throws {
    var object = JSONObject()
    for index in 0..<count { object["key \(index * 7919 % 10_007)"] = .integer(Int64(index)) }
    #expect(object.count == count)
    for index in 0..<count {
      #expect(object["key \(index * 7919 % 10_007)"] == .integer(Int64(index)))
      #expect(object[index].value == .integer(Int64(index)))
    }
    #expect(object["missing"] == nil)
    if count > 0 {
      object["key 0"] = nil
      #expect(object["key 0"] == nil)
      #expect(object.count == count - 1)
      #expect(object.keys.first == (count > 1 ? "key 7919" : nil))
    }
    let again = try JSONValue.parse(JSONValue.object(object).serialized())
    #expect(again == .object(object))
    #expect(again.objectValue?.keys == object.keys)
  }

  @Test func duplicatesAmongManyKeysAreFound() {
    let pairs = (0..<300).map { "\"k\($0)\":0" } + ["\"k17\":1"]
    #expect(throws: JSONError.self) {
      try JSONValue.parse("{" + pairs.joined(separator: ",") + "}")
    }
  }

  @Test func writesPrettyAndSorted() {
    let value: JSONValue = ["b": [1, 2.5, []], "a": ["x": "q\"\\\u{1}\n/é"]]
    #expect(value.serialized() == #"{"b":[1,2.5,[]],"a":{"x":"q\"\\\u0001\n/é"}}"#)
    #expect(
      value.serialized(pretty: true, keys: .sorted) == """
        {
          "a": {
            "x": "q\\"\\\\\\u0001\\n/é"
          },
          "b": [
            1,
            2.5,
            []
          ]
        }
        """
    )
  }

  @Test func errorsReadWell() {
    let error = JSONError(offset: 5, reason: .unexpectedByte(0x7D, expected: "a value"))
    #expect("\(error)" == "json: unexpected '}', expected a value at byte 5")
  }

  /// Damaged text gives an error or a value, never a trap; what it gives reads back equal.
  @Test func survivesMutations() throws {
    let text =
      #"{"a":[1,-2.5e3,"x\u00e9\ud83d\ude00é",{"b":null,"c":[true,false,[]]}],"dd":"\\\""}"#
    let bytes = Array(text.utf8)
    var state: UInt64 = 42
    func random(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int((state >> 33) % UInt64(bound))
    }
    for _ in 0..<20_000 {
      var mutant = bytes
      for _ in 0...random(3) { mutant[random(mutant.count)] = UInt8(random(256)) }
      if random(4) == 0 { mutant.removeLast(random(mutant.count)) }
      guard let value = try? JSONValue.parse(mutant) else { continue }
      #expect(try JSONValue.parse(value.serialized()) == value)
    }
  }
}
