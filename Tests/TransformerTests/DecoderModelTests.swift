import Autograd
import Foundation
import Tensor
import TestSupport
import Testing
import Transformer

/// Random weights that are made when they are asked for; the name decides the numbers.
struct RandomWeights: WeightSource {
  func generator(_ name: String) -> Philox {
    Philox(seed: name.utf8.reduce(5381) { ($0 &* 33) ^ UInt64($1) })
  }

  func contains(_ name: String) -> Bool { true }

  func tensor(_ name: String, shape: Shape) -> Tensor<Float> {
    var generator = generator(name)
    return Tensor.uniform(shape, from: 0.5, to: 1.5, using: &generator)
  }

  func linear(
    _ name: String,
    outputWidth: Int,
    inputWidth: Int,
    hasBias: Bool
  ) -> any LinearLayer {
    var generator = generator(name)
    let weight = Tensor<Float>.normal(
      [outputWidth, inputWidth],
      deviation: 1 / Float(inputWidth).squareRoot(),
      using: &generator
    )
    let bias = hasBias ? Tensor<Float>.normal([outputWidth], using: &generator) : nil
    return FrozenLinear(weight: .float32(weight), bias: bias)
  }
}

@Suite struct DecoderModelTests {
  static let configuration: TransformerConfiguration = {
    var shape = TransformerConfiguration(
      vocabularyCount: 61,
      hiddenWidth: 24,
      feedForwardWidth: 40,
      blockCount: 3,
      headCount: 4,
      keyHeadCount: 2,
      headWidth: 6,
      contextLength: 128
    )
    shape.rotaryBase = 1000
    shape.hasAttentionBias = true
    shape.hasAttentionOutputBias = true
    shape.hasFeedForwardBias = true
    return shape
  }()

  let tokens: [Int32] = [3, 17, 60, 0, 5, 5, 42, 9, 11, 30, 1]

  @Test func logitsEqualTheNaiveForwardPass() throws {
    let model = try DecoderModel(Self.configuration, weights: RandomWeights())
    let logits = model(tokens, cache: model.makeCache())
    #expect(logits.shape == [tokens.count, 61])
    let wanted = NaiveDecoder(Self.configuration, RandomWeights()).logits(tokens)
    expectClose(logits.elements, wanted.map { Float($0) }, relative: 1e-4, absolute: 1e-5)
  }

  @Test func cachedStepsEqualOnePass() throws {
    let model = try DecoderModel(Self.configuration, weights: RandomWeights())
    let whole = model(tokens, cache: model.makeCache())
    for split in [1, 4, 10] {
      let cache = model.makeCache()
      var rows = model(Array(tokens[..<split]), cache: cache).elements
      for token in tokens[split...] { rows += model([token], cache: cache).elements }
      #expect(cache.count == tokens.count)
      expectClose(rows, whole.elements, relative: 1e-4, absolute: 1e-5)
    }
  }

  @Test func truncatedCacheForgets() throws {
    let model = try DecoderModel(Self.configuration, weights: RandomWeights())
    let cache = model.makeCache()
    let first = model.nextTokenLogits(tokens, cache: cache)
    _ = model([7, 8, 9], cache: cache)
    cache.truncate(to: tokens.count - 1)
    let again = model.nextTokenLogits([tokens[tokens.count - 1]], cache: cache)
    expectClose(again.elements, first.elements, relative: 1e-4, absolute: 1e-5)
  }

  @Test func threadsDoNotChangeABit() throws {
    let model = try DecoderModel(Self.configuration, weights: RandomWeights())
    let before = WorkPool.threadCount
    defer { WorkPool.threadCount = before }
    let results = [1, 2, 3].map { count in
      WorkPool.threadCount = count
      return model(tokens, cache: model.makeCache())
    }
    #expect(results[0] == results[1] && results[1] == results[2])
  }

  @Test func generationEndsAtStopsLimitsAndContext() throws {
    let model = try DecoderModel(Self.configuration, weights: RandomWeights())
    var stream = model.generate(after: tokens, options: GenerationOptions(maximumTokens: 5))
    var written: [Int32] = []
    while let token = stream.next() { written.append(token) }
    #expect(written.count == 5)
    #expect(stream.finish == .length)

    let stop = written[2]
    var stopped = model.generate(
      after: tokens,
      options: GenerationOptions(maximumTokens: 50, stopTokens: [stop])
    )
    var upToStop: [Int32] = []
    while let token = stopped.next() { upToStop.append(token) }
    #expect(upToStop == Array(written.prefix(while: { $0 != stop })))
    #expect(stopped.finish == .stop)

    var full = model.generate(after: tokens, options: GenerationOptions(maximumTokens: 500))
    var count = 0
    while full.next() != nil { count += 1 }
    #expect(full.finish == .context)
    #expect(count == 128 - tokens.count)
  }

  @Test func lossesAreThoseOfTheLogits() throws {
    let model = try DecoderModel(Self.configuration, weights: RandomWeights())
    let logits = NaiveDecoder(Self.configuration, RandomWeights()).logits(tokens)
    let wanted = (0..<tokens.count - 1).map { row in
      let values = logits[row * 61..<(row + 1) * 61]
      let total = values.reduce(0) { $0 + exp($1) }
      return Float(log(total) - values[row * 61 + Int(tokens[row + 1])])
    }
    let losses = model.nextTokenLosses(tokens, predicted: tokens.count - 1)
    expectClose(losses, wanted, relative: 1e-4, absolute: 1e-4)
    let report = try model.perplexity(of: tokens, options: PerplexityOptions(window: 64))
    let mean = Double(wanted.reduce(0, +)) / Double(wanted.count)
    #expect(abs(report.meanLoss - mean) < 1e-4)
    #expect(abs(report.perplexity - exp(mean)) < 1e-3 * exp(mean))
  }

  @Test func shapesAreThoseThatTheModelAsksFor() throws {
    // The random source makes whatever shape is asked for; this one compares.
    final class Recorder: WeightSource {
      var asked: [String: Shape] = [:]
      let base = RandomWeights()
      func contains(_ name: String) -> Bool { true }
      func tensor(_ name: String, shape: Shape) -> Tensor<Float> {
        asked[name] = shape
        return base.tensor(name, shape: shape)
      }
      func linear(
        _ name: String,
        outputWidth: Int,
        inputWidth: Int,
        hasBias: Bool
      ) -> any LinearLayer {
        asked[name + ".weight"] = [outputWidth, inputWidth]
        if hasBias { asked[name + ".bias"] = [outputWidth] }
        return base.linear(
          name,
          outputWidth: outputWidth,
          inputWidth: inputWidth,
          hasBias: hasBias
        )
      }
    }
    let recorder = Recorder()
    _ = try DecoderModel(Self.configuration, weights: recorder)
    let tensors = Self.configuration.tensors
    #expect(Set(tensors.map(\.name)) == Set(recorder.asked.keys))
    for tensor in tensors { #expect(tensor.shape == recorder.asked[tensor.name]) }
  }

  @Test func perplexityRefusesWhatItCannotMeasure() throws {
    let model = try DecoderModel(Self.configuration, weights: RandomWeights())
    #expect(throws: PerplexityError.textTooShort(tokens: 1, needed: 2)) {
      try model.perplexity(of: [1], options: PerplexityOptions(window: 64))
    }
    for options in [
      PerplexityOptions(window: 1), PerplexityOptions(window: 129),
      PerplexityOptions(window: 8, stride: 0), PerplexityOptions(window: 8, stride: 9),
    ] {
      #expect(throws: PerplexityError.self) { try model.perplexity(of: tokens, options: options) }
    }
  }
}
