import Autograd
import Foundation
@testable import GUIGrounding
import Tensor
import TestSupport
import Testing

/// Views and instructions of synthetic pages for a policy.
func syntheticBatch(_ count: Int, for policy: NativeGroundingPolicy) throws -> PromptBatch {
  let pages = GroundingExamples.synthetic(count, seed: 11)
  return try PromptBatch(
    (0..<count).map { PromptView(try pages.example($0), for: policy) },
    for: policy
  )
}

/// A small policy.
func smallPolicy(
  seed: UInt64 = 1,
  _ change: (inout NativePolicyConfiguration) -> Void = { _ in }
) -> NativeGroundingPolicy {
  var configuration = NativePolicyConfiguration(width: 16, blockCount: 2)
  configuration.stemWidths = [8, 12]
  change(&configuration)
  var generator = Philox(seed: seed)
  return NativeGroundingPolicy(configuration, using: &generator)
}

@Suite struct NativePolicyTests {
  @Test func theStandardPolicyHas247221Parameters() {
    var generator = Philox(seed: 1)
    let policy = NativeGroundingPolicy(NativePolicyConfiguration(), using: &generator)
    #expect(policy.parameterCount.total == 247_221)
  }

  private static let variants: [NativePolicyConfiguration] = {
    var words = NativePolicyConfiguration(width: 16, blockCount: 2)
    var bytes = NativePolicyConfiguration(width: 16, blockCount: 1, instruction: .bytes())
    bytes.vocabulary.binCount = 24
    var wide = words
    wide.view = PixelSize(width: 96, height: 40)
    wide.vocabulary.thinking = .none
    words.stemWidths = [4, 8]
    return [words, bytes, wide]
  }()

  @Test(arguments: variants)
  func samplingKnowsTheProbabilitiesOfTraining(_ configuration: NativePolicyConfiguration) throws {
    var generator = Philox(seed: 2)
    let policy = NativeGroundingPolicy(configuration, using: &generator)
    let batch = try syntheticBatch(3, for: policy)
    let context = batch.context(of: policy)
    let rollout = policy.rollOut(
      context,
      count: 5,
      generators: (0..<15).map { Philox(seed: 3).fork($0) }
    )
    #expect(rollout.tokens.shape == [15, configuration.vocabulary.responseLength])
    let logits = policy.logits(context, responses: rollout.tokens).value
    let expected = logits.logProbabilities(of: rollout.tokens) * rollout.mask
    expectClose(rollout.logProbabilities, expected, absolute: 2e-5)
    #expect(Set(rollout.tokens.elements).count > 10)
  }

  @Test(arguments: variants)
  func theCacheChangesNoLogit(_ configuration: NativePolicyConfiguration) throws {
    var generator = Philox(seed: 4)
    let policy = NativeGroundingPolicy(configuration, using: &generator)
    let context = try syntheticBatch(2, for: policy).context(of: policy)
    let length = configuration.vocabulary.responseLength
    let tokens = Tensor<Int32>.integers(
      [6, length],
      in: 1..<Int32(configuration.vocabulary.count),
      using: &generator
    )
    let all = policy.logits(context, responses: tokens).value  // [6, T, V]
    var writing = policy.begin(context, count: 3)
    for position in 0..<length {
      let expected = all.sliced(position..<position + 1, axis: 1).squeezed(axis: 1)
      expectClose(writing.logits, expected, absolute: 2e-5, "position \(position)")
      guard position + 1 < length else { break }
      let column = tokens.sliced(position..<position + 1, axis: 1)
      policy.advance(&writing, by: column.elements)
    }
  }

  @Test func responsesToOneImageDoNotDependOnTheOthers() throws {
    let policy = smallPolicy()
    let batch = try syntheticBatch(2, for: policy)
    let streams = (0..<12).map { Philox(seed: 6).fork($0) }
    let all = policy.rollOut(batch.context(of: policy), count: 6, generators: streams)
    let second = try PromptBatch([batch.views[1]], for: policy)
    let alone = policy.rollOut(
      second.context(of: policy),
      count: 2,
      generators: [streams[7], streams[10]]
    )
    #expect(Array(alone.response(0)) == Array(all.response(7)))
    #expect(Array(alone.response(1)) == Array(all.response(10)))
  }

  @Test func theSameSeedGivesTheSameAnswersOnAnyNumberOfThreads() throws {
    let policy = smallPolicy()
    let page = try GroundingExamples.synthetic(1, seed: 1).example(0)
    let request = GroundingRequest(image: page.image, instruction: page.instruction)
    let before = WorkPool.threadCount
    defer { WorkPool.threadCount = before }
    var options = GroundingSampling(seed: 9)
    let answers = try [1, 2, 4].map { threads in
      WorkPool.threadCount = threads
      return try policy.respond(to: request, count: 16, options: options)
    }
    #expect(answers[0] == answers[1] && answers[1] == answers[2])
    options.seed = 10
    #expect(try policy.respond(to: request, count: 16, options: options) != answers[0])
  }

  @Test func greedyTakesTheLikeliestToken() throws {
    let policy = smallPolicy()
    let page = try GroundingExamples.synthetic(1, seed: 1).example(0)
    let request = GroundingRequest(image: page.image, instruction: page.instruction)
    let sample = try policy.respond(to: request, options: .greedy)[0]
    let tokens = try #require(sample.tokens)
    var padded = tokens
    while padded.count < 11 { padded.append(GroundingVocabulary.padding) }
    let view = try PromptBatch([PromptView(page, for: policy)], for: policy)
    let logits = policy.logits(
      view.context(of: policy),
      responses: Tensor(padded, shape: [1, 11])
    ).value
    #expect(Array(logits.argMax(axis: -1).elements.prefix(tokens.count)) == tokens)
    #expect(try policy.greedySamples([request])[0] == sample)
  }

  @Test func topPLeavesUnlikelyTokensOut() throws {
    let policy = smallPolicy()
    let page = try GroundingExamples.synthetic(1, seed: 1).example(0)
    let request = GroundingRequest(image: page.image, instruction: page.instruction)
    let greedy = try policy.respond(to: request, options: .greedy)[0]
    let narrow = try policy.respond(
      to: request,
      count: 4,
      options: GroundingSampling(topP: 1e-6, seed: 1)
    )
    for sample in narrow { #expect(sample.tokens == greedy.tokens) }
  }

  @Test func badRequestsAreRefused() throws {
    let policy = smallPolicy()
    let image = RGBImage(size: PixelSize(width: 40, height: 30), color: .white)
    let request = GroundingRequest(image: image, instruction: "click the red ring")
    #expect(throws: GroundingPolicyError.greedyCount(2)) {
      try policy.respond(to: request, count: 2, options: .greedy)
    }
    #expect(throws: NativePolicyError.self) {
      try policy.respond(to: GroundingRequest(image: image, instruction: "open the menu"))
    }
    let sample = try policy.respond(to: request, options: GroundingSampling(maxTokens: 3))[0]
    #expect(sample.truncated && sample.point == nil && !sample.formatOK)
    #expect((sample.tokens?.count ?? 0) <= 3)
  }

  @Test func bytesReadAnyTextAndIgnoreTheFilling() throws {
    let policy = smallPolicy {
      $0.instruction = .bytes(maximumLength: 20, blockCount: 2)
      $0.vocabulary.thinking = .places
    }
    let image = SyntheticPage(index: 0, seed: 1).image
    let texts = ["open “Index”", "press the very long button with a name", "ok"]
    let requests = texts.map { GroundingRequest(image: image, instruction: $0) }
    let together = try policy.greedySamples(requests)
    for (request, sample) in zip(requests, together) {
      let alone = try policy.respond(to: request, options: .greedy)[0]
      #expect(alone.tokens == sample.tokens)
      expectClose(
        alone.tokenLogProbabilities ?? [],
        sample.tokenLogProbabilities ?? [],
        absolute: 1e-5
      )
    }
    #expect(throws: NativePolicyError.self) {
      try policy.respond(to: GroundingRequest(image: image, instruction: ""))
    }
  }

  @Test func filesBringThePolicyBack() throws {
    try withTemporaryFolder { folder in
      let policy = smallPolicy { $0.view = PixelSize(width: 80, height: 64) }
      try policy.write(to: folder + "/p.safetensors")
      let read = try NativeGroundingPolicy(path: folder + "/p.safetensors")
      #expect(read.configuration == policy.configuration)
      #expect(read.state() == policy.state())
      try Data("no policy".utf8).write(to: URL(fileURLWithPath: folder + "/q.safetensors"))
      for name in ["q", "missing"] {
        #expect(throws: NativePolicyError.self) {
          try NativeGroundingPolicy(path: folder + "/\(name).safetensors")
        }
      }
      let other = Linear(weight: Parameter(.zeros([2, 2])))
      try other.save(to: folder + "/r.safetensors")
      #expect(throws: NativePolicyError.self) {
        try NativeGroundingPolicy(path: folder + "/r.safetensors")
      }
      var text = #"{"width":4096,"blockCount":64}"#
      text = text.replacingOccurrences(of: "4096", with: "1024")
      try other.save(
        to: folder + "/s.safetensors",
        metadata: ["format": "apus-native-grounding-policy", "policy": text]
      )
      #expect(throws: NativePolicyError.self) {
        try NativeGroundingPolicy(path: folder + "/s.safetensors")
      }
      let large = NativePolicyConfiguration(width: 4096, blockCount: 64)
      let json = String(decoding: try JSONEncoder().encode(large), as: UTF8.self)
      try other.save(
        to: folder + "/t.safetensors",
        metadata: ["format": "apus-native-grounding-policy", "policy": json]
      )
      #expect(throws: NativePolicyError.self) {
        try NativeGroundingPolicy(path: folder + "/t.safetensors")
      }
    }
  }

  @Test func copiesShareNothing() {
    let policy = smallPolicy()
    let frozen = policy.frozenCopy()
    #expect(frozen.state() == policy.state())
    #expect(frozen.parameterCount.trainable == 0)
    #expect(policy.parameterCount.trainable == policy.parameterCount.total)
    for parameter in policy.parameters() { parameter.value = parameter.value + 1 }
    #expect(frozen.state() != policy.state())
  }

  @Test func configurationsSayWhatIsWrong() {
    #expect(NativePolicyConfiguration().flaw == nil)
    #expect(NativePolicyConfiguration(width: 30).flaw != nil)
    #expect(NativePolicyConfiguration(blockCount: 0).flaw != nil)
    #expect(NativePolicyConfiguration(view: PixelSize(width: 8, height: 64)).flaw != nil)
    #expect(NativePolicyConfiguration(instruction: .bytes(maximumLength: 0)).flaw != nil)
    let huge = PixelSize(width: 4096, height: 4096)
    #expect(NativePolicyConfiguration(view: huge).flaw != nil)
  }
}
