import Tensor

extension NativeGroundingPolicy: GroundingPolicy {
  /// The width and the number of blocks: `native d64 L2 64×64`, and whether layers hold codes.
  public var name: String {
    let codes = isQuantized ? ", quantized" : ""
    return
      "native d\(configuration.width) L\(configuration.blockCount) \(configuration.view)\(codes)"
  }

  /// The configuration's view, whatever the picture.
  public func viewSize(for image: PixelSize) -> PixelSize { configuration.view }

  /// Draws answers; see `respond(to:count:options:)`.
  ///
  /// - Throws: `GroundingPolicyError`, `NativePolicyError`.
  public nonisolated(nonsending) func sample(
    _ request: GroundingRequest,
    count: Int,
    options: GroundingSampling
  ) async throws -> [GroundingSample] {
    try respond(to: request, count: count, options: options)
  }

  /// Draws answers to one request.
  ///
  /// A picture of another size than the view is resized; points come back in its pixels. Answer k
  /// takes its random numbers from `Philox(seed:).fork(k)`; without a seed that is 0.
  ///
  /// - Parameters:
  ///   - request: the picture and the instruction.
  ///   - count: the number of answers.
  ///   - options: how they are drawn.
  /// - Returns: `count` answers.
  /// - Throws: `GroundingPolicyError`, `NativePolicyError`.
  public func respond(
    to request: GroundingRequest,
    count: Int = 1,
    options: GroundingSampling = GroundingSampling()
  ) throws -> [GroundingSample] {
    try options.check(count: count)
    let instructions = try instructions([request.instruction])
    let generator = Philox(seed: options.seed ?? 0)
    let rollout = withoutRecording {
      rollOut(
        context(views: views([request.image]), instructions: instructions),
        count: count,
        draw: TokenDraw(options),
        generators: (0..<count).map { generator.fork($0) }
      )
    }
    return (0..<count).map { sample(rollout, row: $0, in: request.image.size) }
  }

  /// Answers many requests with the likeliest tokens, several at once.
  ///
  /// - Returns: one answer for each request.
  /// - Throws: `NativePolicyError`.
  public func greedySamples(
    _ requests: [GroundingRequest]
  ) throws(NativePolicyError) -> [GroundingSample] {
    let instructions = try instructions(requests.map(\.instruction))
    let rollout = withoutRecording {
      rollOut(
        context(views: views(requests.map(\.image)), instructions: instructions),
        count: 1,
        draw: .greedy,
        generators: []
      )
    }
    return requests.indices.map { sample(rollout, row: $0, in: requests[$0].image.size) }
  }

  /// A response as an answer, its point in pixels of a picture of `size`.
  func sample(_ rollout: PolicyRollout, row: Int, in size: PixelSize) -> GroundingSample {
    let response = rollout.response(row)
    let vocabulary = configuration.vocabulary
    let (width, height) = (Double(size.width), Double(size.height))
    let end = response.firstIndex(of: GroundingVocabulary.end)
    let padding = response.firstIndex(of: GroundingVocabulary.padding)
    let length = end.map { $0 + 1 } ?? padding ?? response.count
    let logarithms = rollout.logProbabilities.withUnsafeElements { all in
      Array(all[row * response.count..<row * response.count + length])
    }
    return GroundingSample(
      text: vocabulary.text(response, width: width, height: height),
      point: vocabulary.point(response).map { GroundingPoint(x: $0.x * width, y: $0.y * height) },
      formatOK: vocabulary.isWellFormed(response),
      tokens: Array(response[..<length]),
      tokenLogProbabilities: logarithms,
      truncated: end == nil
    )
  }
}

extension TokenDraw {
  init(_ options: GroundingSampling) {
    self.init(
      temperature: Float(options.temperature),
      topP: Float(options.topP),
      maximumCount: options.maxTokens
    )
  }
}
