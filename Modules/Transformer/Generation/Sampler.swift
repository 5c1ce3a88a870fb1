public import Tensor

/// Draws the tokens of one text from logits, one uniform number a token.
///
/// - Source: Keskar et al. 2019, "CTRL", section 4.1 (repetition penalty); Fan et al. 2018 (top-k);
///   Holtzman et al. 2020 (top-p); Nguyen et al. 2024 (min-p).
public struct Sampler: Sendable {
  /// How tokens are drawn.
  public let options: SamplingOptions
  private var generator: Philox
  /// The tokens that the text has; kept only where a repetition counts.
  private var present: Set<Int32> = []
  /// How often each token was drawn; kept only where that counts.
  private var drawn: [Int32: Int] = [:]

  /// A sampler at the start of its random stream.
  ///
  /// - Parameters:
  ///   - options: how tokens are drawn.
  ///   - prompt: the tokens that the text has already.
  ///   - stream: which of the seed's random streams: one for each text of a batch.
  public init(_ options: SamplingOptions, prompt: [Int32] = [], stream: Int = 0) {
    self.options = options
    generator = Philox(seed: options.seed).fork(stream)
    if options.repetitionPenalty != 1 { present = Set(prompt) }
  }

  /// The next token for logits [V], which then belongs to the text; ties go to the smaller id.
  public mutating func next(_ logits: Tensor<Float>) -> Int32 {
    let token = draw(penalized(logits))
    if options.repetitionPenalty != 1 { present.insert(token) }
    if options.frequencyPenalty != 0 || options.presencePenalty != 0 {
      drawn[token, default: 0] += 1
    }
    return token
  }

  /// The probabilities that the next token is drawn with, [V]: those of tokens that are left out are
  /// 0; a greedy sampler gives all to one.
  public func probabilities(_ logits: Tensor<Float>) -> Tensor<Float> {
    let logits = penalized(logits)
    var probabilities = Tensor<Float>.zeros(logits.shape)
    let candidates = candidates(logits)
    let total = candidates.reduce(0) { $0 + $1.probability }
    probabilities.withUnsafeMutableElements { probabilities in
      for candidate in candidates {
        probabilities[Int(candidate.id)] = candidate.probability / total
      }
    }
    return probabilities
  }

  private func penalized(_ logits: Tensor<Float>) -> Tensor<Float> {
    guard !present.isEmpty || !drawn.isEmpty || !options.logitBias.isEmpty else { return logits }
    var logits = logits
    let penalty = options.repetitionPenalty
    logits.withUnsafeMutableElements { logits in
      for id in present where logits.indices.contains(Int(id)) {
        let logit = logits[Int(id)]
        logits[Int(id)] = logit > 0 ? logit / penalty : logit * penalty
      }
      for (id, count) in drawn where logits.indices.contains(Int(id)) {
        logits[Int(id)] -= options.frequencyPenalty * Float(count) + options.presencePenalty
      }
      for (id, bias) in options.logitBias where logits.indices.contains(Int(id)) {
        logits[Int(id)] += bias
      }
    }
    return logits
  }

  private mutating func draw(_ logits: Tensor<Float>) -> Int32 {
    let candidates = candidates(logits)
    guard candidates.count > 1 else { return candidates.first?.id ?? logits.argMax().item }
    var remaining = generator.uniform() * candidates.reduce(0) { $0 + $1.probability }
    for candidate in candidates {
      remaining -= candidate.probability
      if remaining < 0 { return candidate.id }
    }
    return candidates[candidates.count - 1].id  // what rounding leaves
  }

  private func candidates(_ logits: Tensor<Float>) -> [Candidate] {
    guard options.temperature > 0, options.topK != 1 else {
      return [Candidate(id: logits.argMax().item, probability: 1)]
    }
    let probabilities = logits.softmax(scale: 1 / options.temperature)
    return probabilities.withUnsafeElements { likely($0) }
  }

  private struct Candidate {
    var id: Int32
    var probability: Float
  }

  /// The tokens that may be drawn.
  ///
  /// Each limit keeps a beginning of the list of tokens by falling probability. Sorting a whole
  /// vocabulary would cost more than a small model's forward pass, so only the tokens above a floor
  /// are sorted, and the floor falls until every limit is met above it.
  private func likely(_ probabilities: UnsafeBufferPointer<Float>) -> [Candidate] {
    func above(_ floor: Float) -> [Candidate] {
      var found: [Candidate] = []
      for (id, probability) in probabilities.enumerated() where probability >= floor {
        found.append(Candidate(id: Int32(id), probability: probability))
      }
      return found
    }
    guard options.topK != nil || options.topP ?? 1 < 1 || options.minP ?? 0 > 0 else {
      return above(0)
    }
    let largest = probabilities.reduce(0) { Swift.max($0, $1) }
    var floor = largest / 64
    while true {
      var candidates = above(floor)
      candidates.sort {
        $0.probability != $1.probability ? $0.probability > $1.probability : $0.id < $1.id
      }
      if let kept = kept(candidates, floor: floor, largest: largest) {
        return Array(candidates[..<kept])
      }
      floor = floor > largest * 0x1p-60 ? floor / 64 : 0
    }
  }

  /// How many of the candidates, all tokens from `floor` on, the limits keep; nil if a limit may
  /// reach below the floor.
  private func kept(_ candidates: [Candidate], floor: Float, largest: Float) -> Int? {
    let isAll = floor == 0
    var count = candidates.count
    var whole: Float = 1
    if let topK = options.topK {
      guard isAll || count >= topK else { return nil }
      count = Swift.min(count, Swift.max(topK, 1))
      whole = candidates[..<count].reduce(0) { $0 + $1.probability }
    }
    if let topP = options.topP, topP < 1 {
      var mass: Float = 0
      guard
        let last = candidates[..<count].firstIndex(where: {
          mass += $0.probability
          return mass >= topP * whole
        })
      else { return isAll || options.topK != nil ? count : nil }
      count = last + 1
    }
    guard let minP = options.minP, minP > 0 else { return count }
    let least = Swift.min(minP, 1) * largest
    let end = candidates[..<count].firstIndex { $0.probability < least } ?? count
    // Without another limit the floor itself must not cut the list.
    let isBounded = options.topK != nil || options.topP ?? 1 < 1 || floor <= least
    return isAll || isBounded ? end : nil
  }
}
