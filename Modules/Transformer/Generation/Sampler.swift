public import Tensor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// How the next token is drawn from the logits.
public struct SamplingOptions: Codable, Hashable, Sendable {
  /// Divides the logits; 0 takes the most likely token (greedy).
  public var temperature: Float
  /// Keeps the k most likely tokens; nil keeps all.
  public var topK: Int?
  /// Keeps the smallest set of most likely tokens whose probability reaches p; nil keeps all.
  public var topP: Float?
  /// The seed of the draws.
  public var seed: UInt64

  /// Options for drawing; the default is greedy.
  public init(temperature: Float = 0, topK: Int? = nil, topP: Float? = nil, seed: UInt64 = 0) {
    self.temperature = temperature
    self.topK = topK
    self.topP = topP
    self.seed = seed
  }

  /// Always the most likely token.
  public static let greedy = SamplingOptions()
}

/// Draws tokens from logits: temperature, then top-k, then top-p, then one uniform number.
///
/// - Source: Fan et al. 2018 (top-k); Holtzman et al. 2020 (top-p).
public struct Sampler: Sendable {
  /// How tokens are drawn.
  public let options: SamplingOptions
  private var generator: Philox

  /// A sampler at the start of its random stream.
  public init(_ options: SamplingOptions) {
    self.options = options
    generator = Philox(seed: options.seed)
  }

  /// The next token for logits [V]; ties go to the smaller id.
  public mutating func next(_ logits: Tensor<Float>) -> Int32 {
    guard options.temperature > 0, options.topK != 1 else { return logits.argMax().item }
    var candidates = mostLikely(logits)
    let largest = candidates.first?.logit ?? 0
    var total: Float = 0
    for index in candidates.indices {
      let weight = expf((candidates[index].logit - largest) / options.temperature)
      candidates[index].weight = weight
      total += weight
    }
    var kept = candidates.count
    if let topP = options.topP, topP < 1 {
      var mass: Float = 0
      kept = 0
      while kept < candidates.count {
        mass += candidates[kept].weight
        kept += 1
        if mass >= topP * total { break }
      }
      total = mass
    }
    var remaining = generator.uniform() * total
    for candidate in candidates[..<kept] {
      remaining -= candidate.weight
      if remaining < 0 { return candidate.id }
    }
    return candidates[kept - 1].id
  }

  private struct Candidate {
    var id: Int32
    var logit: Float
    var weight: Float = 0
  }

  /// The candidates by falling logit: the top k, or all.
  private func mostLikely(_ logits: Tensor<Float>) -> [Candidate] {
    var candidates = logits.withUnsafeElements { values in
      values.indices.map { Candidate(id: Int32($0), logit: values[$0]) }
    }
    let isBefore: (Candidate, Candidate) -> Bool = { left, right in
      left.logit != right.logit ? left.logit > right.logit : left.id < right.id
    }
    guard let topK = options.topK, topK < candidates.count else {
      candidates.sort(by: isBefore)
      return candidates
    }
    // Every token above the k-th largest logit survives; few enough to sort.
    let threshold = candidates.map(\.logit).sorted(by: >)[max(topK, 1) - 1]
    candidates.removeAll { $0.logit < threshold }
    candidates.sort(by: isBefore)
    return Array(candidates.prefix(max(topK, 1)))
  }
}
