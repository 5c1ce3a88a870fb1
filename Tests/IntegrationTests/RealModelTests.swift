import Checkpoints
import Foundation
import Tensor
import TestSupport
import Testing
import Transformer

/// Released models against reference runs in float32.
///
/// A model that is not there is skipped; `Tools/fetch-models` fetches them.
@Suite(.serialized) struct RealModelTests {
  @Test(
    .enabled(if: !RealModel.decoders.isEmpty, RealModel.skipMessage),
    .timeLimit(.minutes(10)),
    arguments: RealModel.decoders
  )
  func greedyContinuationsAndLogits(_ model: RealModel) throws {
    let (pretrained, reference) = try (model.open(), model.reference())
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

  @Test(
    .enabled(if: !RealModel.decoders.isEmpty, RealModel.skipMessage),
    .enabled(if: DataFolder.has(RealModel.text)),
    .timeLimit(.minutes(10)),
    arguments: RealModel.decoders
  )
  func perplexityAndHiddenStatesOnWikiText(_ model: RealModel) throws {
    let (pretrained, reference, begins) = try (model.open(), model.reference(), model.begins)
    let tokenizer = try pretrained.requireTokenizer()
    let data = try Data(contentsOf: URL(filePath: DataFolder.path(RealModel.text)))
    let text = String(String(decoding: data, as: UTF8.self).prefix(40_000))
    let ids = tokenizer.encode(text, addSpecialTokens: false)
    #expect(ids.count == reference["ppl_total_ids_40000_chars"]?.intValue)
    #expect(Array(ids.prefix(64)) == integers(reference["ppl_first_ids"]))

    let model = try pretrained.makeModel()
    let report = try model.perplexity(
      of: ids,
      options: PerplexityOptions(
        window: 512,
        leadingToken: begins ? tokenizer.bosID : nil,
        maximumWindows: 8
      )
    )
    let wanted = try #require(reference["ppl"])
    #expect(report.tokenCount == wanted["tokens"]?.intValue)
    expectClose(
      report.windowLosses.map { Float($0) },
      numbers(wanted["windows"]).map { Float($0) },
      relative: 0,
      absolute: 2e-4
    )
    let perplexity = try #require(wanted["ppl"]?.doubleValue)
    #expect(abs(report.perplexity / perplexity - 1) < 0.001)

    let window = begins ? [tokenizer.bosID ?? 0] + ids.prefix(511) : Array(ids.prefix(512))
    let states = Tensor(window, shape: [1, window.count])
    let targets = Tensor(window.dropFirst() + [-100], shape: [1, window.count])
    let probe = model.probeStability(states, targets: targets, gradients: false)
    for (found, wanted) in [
      (probe.streams.map(\.variance), numbers(reference["hidden_var"])),
      (probe.streams.map(\.maximum), numbers(reference["hidden_max"])),
    ] {
      expectClose(
        found.prefix(wanted.count).map { Float($0) },
        wanted.map { Float($0) },
        relative: 1e-3,
        absolute: 1e-4
      )
    }
  }

  @Test(.enabled(if: RealModel.minilm.isPresent, RealModel.skipMessage), .timeLimit(.minutes(10)))
  func sentenceEmbeddings() throws {
    let reference = try RealModel.minilm.reference()
    let pretrained = try RealModel.minilm.open()
    let tokenizer = try pretrained.requireTokenizer()
    let sentences = reference["sentences"]?.arrayValue?.compactMap(\.stringValue) ?? []
    let wanted = reference["ids"]?.arrayValue?.map { integers($0) } ?? []
    let ids = sentences.map { tokenizer.encode($0) }
    #expect(ids == wanted)
    let model = try pretrained.makeEncoder()
    let found = model.sentenceEmbeddings(ids)
    for (row, embedding) in (reference["embeddings"]?.arrayValue ?? []).enumerated() {
      expectClose(
        found[row].elements,
        numbers(embedding).map { Float($0) },
        relative: 0,
        absolute: 1e-4
      )
    }
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

/// A released model and its reference run.
struct RealModel: Sendable, CustomTestStringConvertible {
  let name: String
  let referenceName: String
  /// Whether its texts begin with a token.
  var begins = false
  /// The variable that names its path.
  var variable: String?

  static let smollm2 = RealModel(
    name: "SmolLM2-135M-Instruct.Q4_1.gguf",
    referenceName: "smollm2-135m-instruct-q4_1",
    variable: "APUS_MODEL"
  )
  static let gemma3 = RealModel(
    name: "gemma-3-270m-q4_k_m.gguf",
    referenceName: "gemma-3-270m-q4_k_m",
    begins: true
  )
  static let minilm = RealModel(name: "all-MiniLM-L6-v2", referenceName: "minilm")
  static let text = "text/wikitext2-test.txt"

  /// The decoders that are there.
  static let decoders = [smollm2, gemma3].filter(\.isPresent)

  var testDescription: String { name }

  /// The path that the model's variable names, or the model in `APUS_MODELS` or in the cache folder
  /// of the tools.
  var path: String {
    let environment = ProcessInfo.processInfo.environment
    if let variable, let path = environment[variable] { return path }
    if let folder = environment["APUS_MODELS"] { return folder + "/" + name }
    let home = environment["HOME"] ?? "/"
    #if os(macOS)
      let cache = home + "/Library/Caches"
    #else
      let cache = environment["XDG_CACHE_HOME"] ?? home + "/.cache"
    #endif
    return cache + "/apus/" + name
  }

  var isPresent: Bool { FileManager.default.fileExists(atPath: path) }

  func open() throws -> PretrainedModel { try PretrainedModel(at: URL(filePath: path)) }

  func reference() throws -> JSONValue {
    try JSONValue.read(Fixtures.file("transformer/real/\(referenceName).json"))
  }

  static var skipMessage: Comment {
    "the model is missing: run Tools/fetch-models once, or name a folder in APUS_MODELS"
  }
}
