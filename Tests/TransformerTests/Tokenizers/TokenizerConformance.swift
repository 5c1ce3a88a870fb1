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
  /// The families that `real/` has texts for.
  static let real = Fixtures.names(in: "transformer/tokenizers/real", suffix: ".json").map {
    String($0.dropLast(".json".count))
  }
  /// Each vocabulary of such a family that is on this machine.
  static let released = real.flatMap { family in
    ReleasedVocabulary.files(family).map { (family, $0) }
  }
  static let absent = real.filter { ReleasedVocabulary.files($0).isEmpty }
  static let skipMessage = DataFolder.skipMessage(
    absent.map { "models/\($0)-tokenizer/tokenizer.json or models/\($0)*.gguf" }
      .joined(separator: ", ")
  )

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

  @Test(arguments: released)
  func releasedVocabulariesAreExact(_ family: String, _ file: String) throws {
    let tokenizer = try ReleasedVocabulary.tokenizer(file)
    let path = Fixtures.file("transformer/tokenizers/real/\(family).json")
    for value in try TokenizerCases(path: path).cases {
      let text = try #require(value["text"]?.stringValue)
      let ids = try TokenizerCases.ids(value["ids"])
      let found = tokenizer.encode(text, addSpecialTokens: false)
      #expect(found == ids, "\(file): \(text.debugDescription)")
    }
  }

  /// Shows as skipped, with the reason, where a released vocabulary is absent.
  @Test(.enabled(if: absent.isEmpty, "\(skipMessage)"))
  func everyReleasedVocabularyIsThere() {
    #expect(Self.released.count >= Self.real.count)
  }

  /// Whole models with texts in their `expected.json`: each tokenizer.json and GGUF beside it.
  @Test(arguments: modelVocabularies)
  func modelFoldersAreExact(_ path: String) throws {
    let url = URL(fileURLWithPath: path)
    let tokenizer =
      url.pathExtension == "gguf"
      ? try Tokenizer(gguf: try GGUFFile(path: path)) : try Tokenizer(contentsOf: url)
    let expected = try TokenizerCases(
      path: url.deletingLastPathComponent().appending(path: "expected.json").path
    )
    for value in expected.json["tokenizer_cases"]?.arrayValue ?? [] {
      let text = try #require(value["text"]?.stringValue)
      let ids = try TokenizerCases.ids(value["ids"])
      #expect(tokenizer.encode(text) == ids, "\(path): \(text.debugDescription)")
      expectSameStream(tokenizer, ids, path)
    }
  }

  static let modelVocabularies = [Fixtures.folder("models"), DataFolder.path("models")].flatMap {
    root in
    let files = (try? FileManager.default.subpathsOfDirectory(atPath: root)) ?? []
    return files.sorted().map { root + "/" + $0 }.filter { path in
      let url = URL(fileURLWithPath: path)
      let expected = url.deletingLastPathComponent().appending(path: "expected.json")
      return (url.lastPathComponent == "tokenizer.json" || url.pathExtension == "gguf")
        && FileManager.default.fileExists(atPath: expected.path)
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
  /// The files of a family such as `smollm2`, relative to the data folder.
  ///
  /// `models/<family>-tokenizer/tokenizer.json`, and every GGUF file below `models` whose name,
  /// hyphens aside, begins with the family's.
  static func files(_ family: String) -> [String] {
    let json = "models/\(family)-tokenizer/tokenizer.json"
    var found = DataFolder.has(json) ? [json] : []
    let names = try? FileManager.default.subpathsOfDirectory(atPath: DataFolder.path("models"))
    for name in (names ?? []).sorted() {
      let file = (name as NSString).lastPathComponent.lowercased().filter { $0 != "-" }
      if file.hasPrefix(family), file.hasSuffix(".gguf") { found.append("models/" + name) }
    }
    return found
  }

  static func tokenizer(_ file: String) throws -> Tokenizer {
    let path = DataFolder.path(file)
    guard file.hasSuffix(".gguf") else {
      return try Tokenizer(contentsOf: URL(fileURLWithPath: path))
    }
    return try Tokenizer(gguf: try GGUFFile(path: path))
  }
}
