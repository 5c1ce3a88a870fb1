import Checkpoints
import Foundation
import Tensor
import TestSupport
import Testing
import Transformer

/// SmolLM2-135M-Instruct against reference runs in float32.
///
/// The model is the one that `Tools/demo` fetches; without it these tests are skipped.
@Suite(.enabled(if: RealModel.isPresent, RealModel.skipMessage), .serialized)
struct RealModelTests {
  let reference: JSONValue
  let pretrained: PretrainedModel

  init() throws {
    reference = try JSONValue.read(
      Fixtures.file("transformer/real/smollm2-135m-instruct-q4_1.json")
    )
    pretrained = try PretrainedModel(at: URL(filePath: RealModel.path))
  }

  @Test(.timeLimit(.minutes(5))) func greedyContinuationsAndLogits() throws {
    let model = try pretrained.makeModel()
    let tokenizer = try pretrained.requireTokenizer()
    let runs = try #require(reference["greedy"]?.arrayValue)
    for run in runs {
      let prompt = try #require(run["prompt"]?.stringValue)
      let ids = tokenizer.encode(prompt)
      #expect(ids == integers(run["ids"]), "\(prompt)")
      try compare(
        model.nextTokenLogits(ids, cache: model.makeCache()),
        to: #require(run["last_logits"])
      )

      // A continuation is decided only while the best token leads by more than rounding.
      let wanted = integers(run["greedy_ids"])
      let margins = numbers(run["margins"])
      let certain = margins.firstIndex { $0 < 0.01 } ?? wanted.count
      let found = Array(
        model.generate(after: ids, options: GenerationOptions(maximumTokens: wanted.count))
      )
      #expect(found.prefix(certain) == wanted.prefix(certain), "\(prompt)")
      if certain == wanted.count {
        let text = tokenizer.decode(found, skipSpecialTokens: false)
        #expect(text == run["greedy_text"]?.stringValue)
      }
    }
  }

  @Test(.enabled(if: DataFolder.has(RealModel.text)), .timeLimit(.minutes(5)))
  func perplexityOnWikiText() throws {
    let tokenizer = try pretrained.requireTokenizer()
    let data = try Data(contentsOf: URL(filePath: DataFolder.path(RealModel.text)))
    let text = String(String(decoding: data, as: UTF8.self).prefix(40_000))
    let ids = tokenizer.encode(text)
    #expect(ids.count == reference["ppl_total_ids_40000_chars"]?.intValue)
    #expect(Array(ids.prefix(64)) == integers(reference["ppl_first_ids"]))

    let model = try pretrained.makeModel()
    let report = try model.perplexity(
      of: ids,
      options: PerplexityOptions(window: 512, maximumWindows: 8)
    )
    let wanted = try #require(reference["ppl"])
    #expect(report.tokenCount == wanted["tokens"]?.intValue)
    expectClose(
      report.windowLosses.map { Float($0) },
      numbers(wanted["windows"]).map { Float($0) },
      relative: 0,
      absolute: 1e-4
    )
    let perplexity = try #require(wanted["ppl"]?.doubleValue)
    #expect(abs(report.perplexity / perplexity - 1) < 0.001)
  }

  private func compare(_ logits: Tensor<Float>, to wanted: JSONValue) throws {
    let values = logits.elements
    let ids = integers(wanted["top50_ids"])
    // Single-precision sums in another order: 1e-3 is the reference's own tolerance.
    expectClose(
      ids.map { values[Int($0)] },
      numbers(wanted["top50"]).map { Float($0) },
      relative: 0,
      absolute: 1e-3
    )
    let stride = try #require(wanted["sample_stride"]?.intValue)
    let sample = numbers(wanted["sample"])
    expectClose(
      sample.indices.map { values[$0 * stride] },
      sample.map { Float($0) },
      relative: 0,
      absolute: 1e-3
    )
    let total = try #require(wanted["logsumexp"]?.doubleValue)
    #expect(abs(Double(logits.logSumExp().item) - total) < 1e-3)
  }

  private func numbers(_ value: JSONValue?) -> [Double] {
    value?.arrayValue?.compactMap(\.doubleValue) ?? []
  }

  private func integers(_ value: JSONValue?) -> [Int32] {
    value?.arrayValue?.compactMap { $0.integerValue.map { Int32($0) } } ?? []
  }
}

/// Where the real model lies: `APUS_MODEL`, or the cache folder of `Tools/demo`.
enum RealModel {
  static let text = "text/wikitext2-test.txt"

  static let path: String = {
    let environment = ProcessInfo.processInfo.environment
    if let path = environment["APUS_MODEL"] { return path }
    let home = environment["HOME"] ?? "/"
    #if os(macOS)
      let cache = home + "/Library/Caches"
    #else
      let cache = environment["XDG_CACHE_HOME"] ?? home + "/.cache"
    #endif
    return cache + "/apus/SmolLM2-135M-Instruct.Q4_1.gguf"
  }()

  static var isPresent: Bool { FileManager.default.fileExists(atPath: path) }

  static var skipMessage: Comment {
    "the model is missing at \(path): run Tools/demo once, or name it in APUS_MODEL"
  }
}
