import Checkpoints
import Foundation
import Tensor
import Transformer

/// Text to feed to a model.
enum SampleText {
  private static let suffixes = [".swift", ".md", ".c", ".h"]

  private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  /// The opening of a novel.
  static func novel() throws -> String {
    let file = root.appending(path: "Docs/data/pride-and-prejudice.txt")
    return try String(contentsOf: file, encoding: .utf8)
  }

  /// The novel, and the sources and documents of this checkout, one after another.
  static func everything() throws -> String {
    let files = try FileManager.default.subpathsOfDirectory(atPath: root.path)
      .filter { path in
        !path.hasPrefix(".") && suffixes.contains { path.hasSuffix($0) }
      }
      .sorted()
    let texts = files.compactMap { path in
      try? String(contentsOf: root.appending(path: path), encoding: .utf8)
    }
    return try novel() + texts.joined()
  }
}

// MARK: - Tokenizer

extension InferenceSuite {
  func measureTokenizer(_ tokenizer: Tokenizer, text: String) throws {
    run.startGroup("tokenizer")
    let file = FileManager.default.temporaryDirectory.appending(
      path: "apus-bench-\(ProcessInfo.processInfo.processIdentifier).txt"
    )
    try text.write(to: file, atomically: true, encoding: .utf8)
    defer { try? FileManager.default.removeItem(at: file) }
    let order: JSONObject = ["folder": .string(folder.path), "file": .string(file.path)]
    try checkTokens(tokenizer, text: text, order: order)
    var peer = order
    peer["kind"] = "tokenizer"
    try run.measure(
      BenchCase(
        name: "tokenize \(text.utf8.count / 1000) kB",
        metric: .text(Double(text.utf8.count)),
        peer: peer
      ) { keep(tokenizer.encode(text)) }
    )
    try measureTraining(text: text, file: file.path)
  }

  private func measureTraining(text: String, file: String) throws {
    for count in [4096, 16384] {
      let learn = {
        var trainer = try BytePairTrainer(BytePairOptions(vocabularyCount: count))
        trainer.add(text)
        return try trainer.train()
      }
      var peer: JSONObject = ["file": .string(file), "count": .integer(Int64(count))]
      var order = peer
      (order["do"], order["name"], peer["kind"]) = ("tell", "vocabulary", "vocabulary")
      if let tokens = try run.peer?.ask(order)["tokens"]?.arrayValue {
        guard try learn().tokens == tokens.compactMap(\.stringValue) else {
          throw BenchError.disagreement("the peer learns other tokens than ours, of \(count)")
        }
      }
      try run.measure(
        BenchCase(
          name: "learn \(count) tokens, \(text.utf8.count / 1000) kB",
          metric: .text(Double(text.utf8.count)),
          peer: peer
        ) { keep(try? learn()) }
      )
    }
  }

  /// Both sides must find the same tokens before their times mean anything.
  private func checkTokens(_ tokenizer: Tokenizer, text: String, order: JSONObject) throws {
    var order = order
    order["do"] = "tell"
    order["name"] = "tokens"
    guard let ids = try run.peer?.ask(order)["ids"]?.arrayValue else { return }
    let theirs = ids.compactMap(\.intValue)
    let ours = tokenizer.encode(text).map(Int.init)
    guard ours == theirs else {
      let place = zip(ours, theirs).prefix { $0 == $1 }.count
      throw BenchError.disagreement(
        "\(ours.count) tokens, the peer's are \(theirs.count); they differ from \(place) on"
      )
    }
  }
}
