import Autograd
import Checkpoints
import Foundation
import Tensor
import Transformer

extension Suite {
  /// A LLaMA-family model with float32 weights.
  static let inference = Suite(
    name: "inference",
    summary: "low bits: products, models; a model in float32: load, prefill, decode, tokenizer"
  ) { run in
    try LowBitProducts(run: run).measure()
    try LowBitModels(run: run).measure()
    let folder = try ModelFolder.float32(of: run.modelPath, say: run.report.say)
    try InferenceSuite(run: run, folder: folder).measure()
  }
}

struct InferenceSuite {
  let run: BenchRun
  let folder: URL

  /// The tokens of the long prompt, of the short one, and those written after it.
  private static let (longPrompt, shortPrompt, written) = (512, 16, 128)

  func measure() throws {
    try measureLoad()
    let pretrained = try PretrainedModel(at: folder)
    let model = try pretrained.makeModel()
    let tokenizer = try pretrained.requireTokenizer()
    run.report.say("\n\(folder.lastPathComponent): \(pretrained.parameterCount) weights, float32")
    let tokens = tokenizer.encode(try SampleText.novel())
    let prompt = Array(tokens.prefix(Self.longPrompt))
    try checkAgreement(model, prompt: prompt)
    try measureSpeed(model, prompt: prompt)
    try measureTokenizer(tokenizer, text: try SampleText.everything())
  }
}

// MARK: - Speed

extension InferenceSuite {
  private func measureSpeed(_ model: DecoderModel, prompt: [Int32]) throws {
    run.startGroup("speed")
    let weights = Double(Self.linearWeights(model.configuration))
    let operations = 2 * weights * Double(prompt.count)
    try run.measure(
      BenchCase(
        name: "prefill, \(prompt.count) tokens",
        metric: .tokens(Double(prompt.count)),
        bound: .arithmetic(operations),
        peer: peerCase("prefill", prompt)
      ) { keep(model.nextTokenLogits(prompt, cache: model.makeCache())) }
    )

    let start = Array(prompt.prefix(Self.shortPrompt))
    let cache = model.makeCache()
    let first = model.nextTokenLogits(start, cache: cache)
    let head = Double(model.configuration.vocabularyCount * model.configuration.hiddenWidth)
    let count = Self.written
    var peer = peerCase("decode", start)
    peer["count"] = .integer(Int64(count))
    try run.measure(
      BenchCase(
        name: "decode, \(count) tokens",
        metric: .tokens(Double(count)),
        bound: .memory(4 * (weights + head) * Double(count)),
        peer: peer
      ) {
        cache.truncate(to: start.count)
        var logits = first
        for _ in 0..<count {
          logits = model.nextTokenLogits([logits.argMax().item], cache: cache)
        }
        keep(logits)
      }
    )
  }

  /// The weights of the linear layers inside the blocks: each is used once for each token.
  private static func linearWeights(_ shape: TransformerConfiguration) -> Int {
    let attention = 2 * shape.hiddenWidth * shape.headWidth * (shape.headCount + shape.keyHeadCount)
    return shape.blockCount * (attention + 3 * shape.hiddenWidth * shape.feedForwardWidth)
  }

  private func peerCase(_ name: String, _ tokens: [Int32]) -> JSONObject {
    [
      "kind": "llama", "name": .string(name), "folder": .string(folder.path),
      "tokens": json(tokens),
    ]
  }

  func json(_ tokens: [Int32]) -> JSONValue { .array(tokens.map { .integer(Int64($0)) }) }
}

// MARK: - Agreement

extension InferenceSuite {
  /// Logits further apart than this are those of another model.
  private static let tolerance: Float = 1e-3

  /// Compares the logits of a prompt, and of single tokens after a short one, with the peer's.
  private func checkAgreement(_ model: DecoderModel, prompt: [Int32]) throws {
    guard let peer = run.peer else { return }
    let (start, rest) = (Array(prompt.prefix(Self.shortPrompt)), prompt.dropFirst(Self.shortPrompt))
    let long = try difference(model, peer, prompt: prompt, steps: [])
    let short = try difference(model, peer, prompt: start, steps: Array(rest.prefix(16)))
    let worst = max(long, short)
    guard worst <= Self.tolerance else {
      throw BenchError.disagreement(
        "logits differ by up to \(worst), more than \(Self.tolerance)"
      )
    }
    run.report.say(
      "logits agree with the peer's: they differ by at most \(worst), after \(prompt.count) tokens "
        + "at once and after each of 16 single ones"
    )
  }

  /// The largest difference of any logit after `prompt` and after each of `steps`.
  private func difference(
    _ model: DecoderModel,
    _ peer: Peer,
    prompt: [Int32],
    steps: [Int32]
  ) throws -> Float {
    let file = FileManager.default.temporaryDirectory.appending(
      path: "apus-bench-\(ProcessInfo.processInfo.processIdentifier).logits"
    )
    defer { try? FileManager.default.removeItem(at: file) }
    _ = try peer.ask([
      "do": "tell", "name": "logits", "folder": .string(folder.path), "tokens": json(prompt),
      "steps": json(steps), "file": .string(file.path),
    ])
    let cache = model.makeCache()
    var ours = model.nextTokenLogits(prompt, cache: cache).elements
    for token in steps { ours += model.nextTokenLogits([token], cache: cache).elements }
    let theirs = try Data(contentsOf: file).withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    guard theirs.count == ours.count else {
      throw BenchError.disagreement("\(ours.count) logits, the peer's are \(theirs.count)")
    }
    // A NaN must not pass for agreement.
    return zip(ours, theirs).reduce(0) { worst, pair in
      let distance = abs(pair.0 - pair.1)
      return distance.isNaN ? .infinity : max(worst, distance)
    }
  }
}
