import ModelSupport
import Support
import Transformer

extension ModelFile {
  /// The ids of a prompt, at least one and no more than the model's context.
  func promptTokens(_ prompt: String, encoding: ApusGenerate.Encoding?) throws -> [Int32] {
    let tokenizer = try pretrained.requireTokenizer()
    var ids: [Int32]
    switch encoding {
    case nil:
      ids = tokenizer.encode(prompt)
    case .raw:
      ids = tokenizer.encode(prompt, addSpecialTokens: false, specialTokenText: .plain)
    case .bos:
      guard let first = tokenizer.bosID else {
        throw CommandFailure("--bos: \(path) has no token that begins a text; leave it out")
      }
      ids = [first] + tokenizer.encode(prompt, addSpecialTokens: false)
    }
    return try checked(ids)
  }

  /// The ids, if something can be written behind them.
  func checked(_ ids: [Int32]) throws(CommandFailure) -> [Int32] {
    guard !ids.isEmpty else {
      throw CommandFailure("the prompt is empty and \(path) adds no token; write something")
    }
    let context = pretrained.configuration.contextLength
    guard ids.count < context else {
      throw CommandFailure(
        "the prompt has \(ids.count.counted("token")), \(path) has room for \(context.grouped); "
          + "shorten it"
      )
    }
    return ids
  }
}
