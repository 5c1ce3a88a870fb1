import Checkpoints
import Foundation
import TestSupport
import Testing
import Transformer

/// Every case of `transformer/tokenizers` below the fixtures root: tokenizers trained for the
/// fixtures in one folder each, and texts for released vocabularies in `real/`.
@Suite struct TokenizerConformance {
  /// A folder with `tokenizer.json` and `expected.json`.
  static let kinds = Fixtures.names(in: "transformer/tokenizers").filter {
    FileManager.default.fileExists(
      atPath: Fixtures.file("transformer/tokenizers/\($0)/tokenizer.json")
    )
  }
  static let real = Fixtures.names(in: "transformer/tokenizers/real", suffix: ".json")

  @Test func theSetIsThere() {
    #expect(!Self.kinds.isEmpty, "no tokenizers below \(Fixtures.root)")
  }

  @Test(arguments: kinds)
  func idsAndTextsAreExact(_ kind: String) throws {
    let folder = Fixtures.folder("transformer/tokenizers/\(kind)")
    let tokenizer = try Tokenizer(contentsOf: URL(fileURLWithPath: folder))
    let expected = try TokenizerCases(path: folder + "/expected.json")
    #expect(!expected.cases.isEmpty)
    for value in expected.cases {
      let text = try #require(value["text"]?.stringValue)
      let ids = try TokenizerCases.ids(value["ids"])
      let withSpecial = try TokenizerCases.ids(value["ids_with_special"])
      let name = "\(kind): \(text.debugDescription)"
      #expect(tokenizer.encode(text, addSpecialTokens: false) == ids, "\(name)")
      #expect(tokenizer.encode(text) == withSpecial, "\(name) with special tokens")
      let decoded = try #require(value["decoded"]?.stringValue)
      let found = tokenizer.decode(ids, skipSpecialTokens: false)
      #expect(Array(found.utf8) == Array(decoded.utf8), "\(name) decoded to \(found)")
      expectSameStream(tokenizer, ids, name)
    }
  }

  @Test(arguments: kinds)
  func pairsAreExact(_ kind: String) throws {
    let folder = Fixtures.folder("transformer/tokenizers/\(kind)")
    let tokenizer = try Tokenizer(contentsOf: URL(fileURLWithPath: folder))
    guard let pair = try TokenizerCases(path: folder + "/expected.json").json["pair"] else {
      return
    }
    let first = try #require(pair["a"]?.stringValue)
    let second = try #require(pair["b"]?.stringValue)
    let found = tokenizer.encodePair(first, second)
    #expect(found.ids == (try TokenizerCases.ids(pair["ids"])))
    #expect(found.typeIDs == (try TokenizerCases.ids(pair["type_ids"])))
  }

  @Test(arguments: real)
  func releasedVocabulariesAreExact(_ file: String) throws {
    let expected = try TokenizerCases(path: Fixtures.file("transformer/tokenizers/real/\(file)"))
    let family = String(file.dropLast(".json".count))
    guard let tokenizer = try ReleasedVocabulary.tokenizer(family) else {
      try Test.cancel("\(ReleasedVocabulary.skipMessage(family))")
    }
    for value in expected.cases {
      let text = try #require(value["text"]?.stringValue)
      let ids = try TokenizerCases.ids(value["ids"])
      let found = tokenizer.encode(text, addSpecialTokens: false)
      #expect(found == ids, "\(file): \(text.debugDescription)")
    }
  }

  @Test(
    arguments: Fixtures.names(in: "models").filter { name in
      FileManager.default.fileExists(atPath: Fixtures.file("models/\(name)/tokenizer.json"))
    }
  )
  func modelFoldersAreExact(_ model: String) throws {
    let folder = Fixtures.folder("models/\(model)")
    let tokenizer = try Tokenizer(contentsOf: URL(fileURLWithPath: folder))
    let expected = try TokenizerCases(path: folder + "/expected.json")
    for value in try #require(expected.json["tokenizer_cases"]?.arrayValue) {
      let text = try #require(value["text"]?.stringValue)
      let ids = try TokenizerCases.ids(value["ids"])
      #expect(tokenizer.encode(text) == ids, "\(model): \(text.debugDescription)")
      expectSameStream(tokenizer, ids, model)
    }
  }
}

/// Expects the stream decoder to give whole characters that join to the decoded text.
func expectSameStream(_ tokenizer: Tokenizer, _ ids: [Int32], _ name: String) {
  for skipsSpecial in [true, false] {
    var stream = tokenizer.makeStreamDecoder(skipSpecialTokens: skipsSpecial)
    var bytes: [UInt8] = []
    for id in ids { bytes += stream.append(id).utf8 }
    bytes += stream.finish().utf8
    let whole = tokenizer.decode(ids, skipSpecialTokens: skipsSpecial)
    #expect(bytes == Array(whole.utf8), "\(name): stream and whole differ")
  }
}

/// A file of expected ids.
struct TokenizerCases {
  let json: JSONValue

  init(path: String) throws {
    json = try JSONValue.parse(try Data(contentsOf: URL(fileURLWithPath: path)))
  }

  var cases: [JSONValue] { json["cases"]?.arrayValue ?? [] }

  static func ids(_ value: JSONValue?) throws -> [Int32] {
    try #require(value?.arrayValue).map { Int32(try #require($0.intValue)) }
  }
}

/// Vocabularies of released models, which are not part of the checkout.
enum ReleasedVocabulary {
  /// The tokenizer of a family such as `smollm2`, nil when its files are absent.
  static func tokenizer(_ family: String) throws -> Tokenizer? {
    let path = "models/\(family)-tokenizer/tokenizer.json"
    guard DataFolder.has(path) else { return nil }
    return try Tokenizer(contentsOf: URL(fileURLWithPath: DataFolder.path(path)))
  }

  static func skipMessage(_ family: String) -> String {
    DataFolder.skipMessage("models/\(family)-tokenizer/tokenizer.json")
  }
}
