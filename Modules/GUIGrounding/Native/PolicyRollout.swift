import Tensor

/// Responses that a policy has drawn, with the probabilities of their tokens.
struct PolicyRollout: Sendable {
  /// [N × T]; padding behind the end token.
  var tokens: Tensor<Int32>
  /// Log-probabilities at temperature 1 of the tokens [N × T]; 0 behind the end token.
  var logProbabilities: Tensor<Float>

  /// The tokens of a response.
  func response(_ row: Int) -> ArraySlice<Int32> {
    let length = tokens.shape[1]
    return tokens.withUnsafeElements { Array($0[row * length..<(row + 1) * length]) }[...]
  }

  /// 1 for every token up to and including the first end token, 0 behind it [N × T].
  var mask: Tensor<Float> { Self.mask(of: tokens) }

  static func mask(of tokens: Tensor<Int32>) -> Tensor<Float> {
    let (rows, length) = (tokens.shape[0], tokens.shape[1])
    var mask = Tensor<Float>.zeros(tokens.shape)
    tokens.withUnsafeElements { tokens in
      mask.withUnsafeMutableElements { mask in
        for row in 0..<rows {
          for place in row * length..<(row + 1) * length {
            mask[place] = 1
            if tokens[place] == GroundingVocabulary.end { break }
          }
        }
      }
    }
    return mask
  }
}

/// How tokens are drawn.
struct TokenDraw {
  /// 0 takes the likeliest token.
  var temperature: Float = 1
  /// The share of probability that the kept tokens have at least.
  var topP: Float = 1
  /// The most tokens of a response.
  var maximumCount = Int.max

  static let greedy = TokenDraw(temperature: 0)
}

extension NativeGroundingPolicy {
  /// Draws `count` responses to each prompt of a context.
  ///
  /// Each response has a random generator of its own and takes one number for each token, so it does
  /// not depend on the others.
  ///
  /// - Parameters:
  ///   - context: the prompts.
  ///   - count: G.
  ///   - draw: how tokens are drawn.
  ///   - generators: one for each of the N = P · G responses; not used by a greedy draw.
  /// - Returns: the responses, those of a prompt side by side.
  func rollOut(
    _ context: PolicyContext,
    count: Int,
    draw: TokenDraw = TokenDraw(),
    generators: [Philox]
  ) -> PolicyRollout {
    let (rows, length) = (context.promptCount * count, configuration.vocabulary.responseLength)
    expect(
      draw.temperature == 0 || generators.count == rows,
      "roll out: \(rows) responses with \(generators.count) generators"
    )
    var generators = generators
    var tokens = [Int32](repeating: GroundingVocabulary.padding, count: rows * length)
    var logarithms = [Float](repeating: 0, count: rows * length)
    var isDone = [Bool](repeating: false, count: rows)
    var writing = begin(context, count: count)
    let last = min(length, draw.maximumCount) - 1
    for position in 0...last {
      let chosen = choose(writing.logits, draw, isDone, &generators)
      for row in 0..<rows where !isDone[row] {
        tokens[row * length + position] = chosen.tokens[row]
        logarithms[row * length + position] = chosen.logarithms[row]
        isDone[row] = chosen.tokens[row] == GroundingVocabulary.end
      }
      if position == last || !isDone.contains(false) { break }
      advance(&writing, by: chosen.tokens)
    }
    return PolicyRollout(
      tokens: Tensor(tokens, shape: [rows, length]),
      logProbabilities: Tensor(logarithms, shape: [rows, length])
    )
  }

  /// The next token of each response and its log-probability at temperature 1; padding for those
  /// that are done.
  private func choose(
    _ logits: Tensor<Float>,
    _ draw: TokenDraw,
    _ isDone: [Bool],
    _ generators: inout [Philox]
  ) -> (tokens: [Int32], logarithms: [Float]) {
    let (rows, width) = (logits.shape[0], logits.shape[1])
    let logarithms = logits.logSoftmax()  // [N, V]
    var tokens = [Int32](repeating: GroundingVocabulary.padding, count: rows)
    if draw.temperature == 0 {
      let best = logits.argMax(axis: -1).elements
      for row in 0..<rows where !isDone[row] { tokens[row] = best[row] }
    } else {
      let probabilities = logits.softmax(scale: 1 / draw.temperature)
      probabilities.withUnsafeElements { probabilities in
        for row in 0..<rows where !isDone[row] {
          let values = UnsafeBufferPointer(rebasing: probabilities[row * width..<(row + 1) * width])
          tokens[row] = pick(values, topP: draw.topP, generators[row].uniform())
        }
      }
    }
    let chosen = logarithms.withUnsafeElements { logarithms in
      (0..<rows).map { logarithms[$0 * width + Int(tokens[$0])] }
    }
    return (tokens, chosen)
  }
}

/// The token at a share of the cumulated probabilities; with `topP` below 1 of the likeliest tokens
/// alone that have it together.
private func pick(
  _ probabilities: UnsafeBufferPointer<Float>,
  topP: Float,
  _ share: Float
) -> Int32 {
  guard topP >= 1 else { return pickLikely(probabilities, topP, share) }
  var remaining = share * probabilities.reduce(0, +)
  var last: Int32 = 0
  for (token, probability) in probabilities.enumerated() where probability > 0 {
    last = Int32(token)
    remaining -= probability
    if remaining < 0 { break }
  }
  return last
}

private func pickLikely(
  _ probabilities: UnsafeBufferPointer<Float>,
  _ topP: Float,
  _ share: Float
) -> Int32 {
  let order = probabilities.indices.sorted {
    (probabilities[$1], $0) < (probabilities[$0], $1)
  }
  var kept: [Int] = []
  var mass: Float = 0
  for token in order {
    kept.append(token)
    mass += probabilities[token]
    if mass >= topP { break }
  }
  var remaining = share * mass
  for token in kept {
    remaining -= probabilities[token]
    if remaining < 0 { return Int32(token) }
  }
  return Int32(kept.last ?? 0)
}
