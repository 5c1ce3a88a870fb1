import Autograd
import Tensor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// How a text is cut into windows and how their losses become one perplexity.
public struct PerplexityOptions: Codable, Hashable, Sendable {
  /// How the losses are averaged.
  public enum Weighting: String, Codable, Hashable, Sendable, CaseIterable {
    /// Every predicted token counts the same: exp(Σ nll / tokens). What the transformers library's
    /// guide and this project's reference runs do.
    case tokens
    /// Every complete window counts the same and the incomplete last one is dropped, as GPTQ's
    /// evaluation does: exp(mean of the windows' mean nll).
    case windows
  }

  /// The tokens that the model sees at once, a BOS included.
  public var window: Int
  /// How far the next window starts behind the last; nil means no overlap.
  ///
  /// With a smaller stride each token is predicted once, with at least `window − stride` tokens before it.
  public var stride: Int?
  /// How losses are averaged.
  public var weighting: Weighting
  /// A token that is put in front of every window (and takes one place of it); nil for none.
  public var leadingToken: Int32?
  /// The most windows to read; nil reads all.
  public var maximumWindows: Int?

  /// Options with the protocol's defaults: windows of 512, no overlap, token weighting.
  public init(
    window: Int = 512,
    stride: Int? = nil,
    weighting: Weighting = .tokens,
    leadingToken: Int32? = nil,
    maximumWindows: Int? = nil
  ) {
    self.window = window
    self.stride = stride
    self.weighting = weighting
    self.leadingToken = leadingToken
    self.maximumWindows = maximumWindows
  }
}

/// What a perplexity run has found, so far or at its end.
public struct PerplexityReport: Codable, Hashable, Sendable {
  /// The mean negative log-likelihood of each window's predicted tokens, in nats.
  public var windowLosses: [Double] = []
  /// The predicted tokens of each window.
  public var windowTokens: [Int] = []
  /// How the losses are averaged.
  public var weighting: PerplexityOptions.Weighting
  /// The windows that the whole run will have.
  public var windowCount: Int

  /// The tokens predicted so far.
  public var tokenCount: Int { windowTokens.reduce(0, +) }

  /// The mean negative log-likelihood in nats, by the weighting; NaN before the first window.
  public var meanLoss: Double {
    switch weighting {
    case .tokens:
      zip(windowLosses, windowTokens).reduce(0) { $0 + $1.0 * Double($1.1) } / Double(tokenCount)
    case .windows:
      windowLosses.reduce(0, +) / Double(windowLosses.count)
    }
  }

  /// exp(meanLoss).
  public var perplexity: Double { exp(meanLoss) }
}

/// Why a perplexity cannot be computed.
public enum PerplexityError: Error, Equatable, CustomStringConvertible {
  /// The text has fewer than two tokens, or no complete window where only complete ones count.
  case textTooShort(tokens: Int, needed: Int)
  /// The options contradict each other or the model.
  case invalidOptions(String)

  /// The reason in one sentence.
  public var description: String {
    switch self {
    case .textTooShort(let tokens, let needed):
      "perplexity: the text has \(tokens) tokens, at least \(needed) are needed"
    case .invalidOptions(let reason): "perplexity: \(reason)"
    }
  }
}

extension DecoderModel {
  /// The perplexity of a text: exp of the mean negative log-likelihood of its tokens.
  ///
  /// - Parameters:
  ///   - tokens: the text's ids, without a leading BOS.
  ///   - options: windows and weighting.
  ///   - progress: sees the report after every window; return false to stop early with what there is.
  /// - Returns: the losses of every window that was read.
  /// - Throws: `PerplexityError` if the text is too short or the options do not fit.
  public func perplexity(
    of tokens: [Int32],
    options: PerplexityOptions = PerplexityOptions(),
    progress: (PerplexityReport) -> Bool = { _ in true }
  ) throws(PerplexityError) -> PerplexityReport {
    let windows = try perplexityWindows(tokenCount: tokens.count, options: options)
    var report = PerplexityReport(weighting: options.weighting, windowCount: windows.count)
    for window in windows {
      let ids = (options.leadingToken.map { [$0] } ?? []) + tokens[window.tokens]
      let losses = nextTokenLosses(ids, predicted: window.predicted)
      report.windowLosses.append(losses.reduce(0) { $0 + Double($1) } / Double(losses.count))
      report.windowTokens.append(losses.count)
      guard progress(report) else { break }
    }
    return report
  }

  /// The negative log-likelihood of the last `predicted` tokens of a sequence, in nats.
  public func nextTokenLosses(_ ids: [Int32], predicted: Int) -> [Float] {
    expect(predicted < ids.count, "losses: \(predicted) of \(ids.count) tokens have a predecessor")
    let states = hiddenStates(ids.dropLast(), cache: makeCache())  // [T−1 × D]
    var losses: [Float] = []
    losses.reserveCapacity(predicted)
    let chunk = Self.logitRows
    for first in stride(from: states.shape[0] - predicted, to: states.shape[0], by: chunk) {
      let rows = first..<min(first + chunk, states.shape[0])
      let logits = logits(states[rows])  // [chunk × V]
      let normalizers = logits.logSumExp()
      let width = logits.shape[1]
      logits.withUnsafeElements { values in
        normalizers.withUnsafeElements { sums in
          for (index, row) in rows.enumerated() {
            losses.append(sums[index] - values[index * width + Int(ids[row + 1])])
          }
        }
      }
    }
    return losses
  }

  /// The logits of a window would fill 100 MB for a vocabulary of 50,000: so many rows at a time.
  static let logitRows = 128

  func perplexityWindows(
    tokenCount: Int,
    options: PerplexityOptions
  ) throws(PerplexityError) -> [PerplexityWindow] {
    let room = options.window - (options.leadingToken == nil ? 0 : 1)
    let step = options.stride ?? room
    guard options.window >= 2, room >= 1 else {
      throw .invalidOptions("a window of \(options.window) predicts nothing")
    }
    guard options.window <= configuration.contextLength else {
      throw .invalidOptions(
        "a window of \(options.window) exceeds the model's context of "
          + "\(configuration.contextLength)"
      )
    }
    guard step >= 1, step <= room else {
      throw .invalidOptions("a stride of \(step) must be between 1 and \(room)")
    }
    let windows = PerplexityWindow.cut(
      tokenCount: tokenCount,
      room: room,
      step: step,
      hasLeadingToken: options.leadingToken != nil,
      completeOnly: options.weighting == .windows
    )
    guard !windows.isEmpty else {
      throw .textTooShort(
        tokens: tokenCount,
        needed: options.weighting == .windows ? room : 2
      )
    }
    return Array(windows.prefix(options.maximumWindows ?? windows.count))
  }
}

/// One window of a text: its tokens, and how many of them, at its end, are predicted in it.
struct PerplexityWindow: Hashable {
  var tokens: Range<Int>
  var predicted: Int

  static func cut(
    tokenCount: Int,
    room: Int,
    step: Int,
    hasLeadingToken: Bool,
    completeOnly: Bool
  ) -> [PerplexityWindow] {
    var windows: [PerplexityWindow] = []
    var start = 0
    var predictedEnd = 0
    while predictedEnd < tokenCount {
      let end = min(start + room, tokenCount)
      if completeOnly && end - start < room { break }
      // The first token of a text has no predecessor, unless a leading token stands before it. In a
      // later window without overlap the same holds for its first token.
      let fresh = end - max(predictedEnd, start)
      let withPredecessor = end - start - (hasLeadingToken ? 0 : 1)
      let predicted = min(fresh, withPredecessor)
      if predicted > 0 {
        windows.append(PerplexityWindow(tokens: start..<end, predicted: predicted))
      }
      predictedEnd = end
      start += step
    }
    return windows
  }
}
