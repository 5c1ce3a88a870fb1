import Autograd
public import Tensor

/// What a probe finds of a model's stability: the paper's hidden states and gradients by depth.
///
/// Source: Kim et al. 2025, "Peri-LN", sections 3 and 4.
public struct StabilityReport: Codable, Hashable, Sendable {
  /// The residual stream at a depth.
  public struct Stream: Codable, Hashable, Sendable {
    /// The mean over positions of the variance over channels.
    public var variance: Double
    /// max |x|.
    public var maximum: Double
  }

  /// A block.
  public struct Block: Codable, Hashable, Sendable {
    /// max |x| of what attention writes, before a norm of outputs.
    public var attentionMaximum: Double
    /// max |x| inside the feed-forward network.
    public var hiddenMaximum: Double
    /// max |x| of what the feed-forward network writes, before a norm of outputs.
    public var feedForwardMaximum: Double
    /// The norm of the gradients of all its parameters; nil where none were asked for.
    public var gradientNorm: Double?
  }

  /// The mean cross-entropy of the probe's tokens in nats.
  public var loss: Double
  /// The streams: after the embedding, then after each block.
  public var streams: [Stream]
  /// The blocks.
  public var blocks: [Block]

  /// The numbers by name, for a log; `init(metrics:)` takes them back.
  public var metrics: [String: Double] {
    var values = ["probe loss": loss]
    for (depth, stream) in streams.enumerated() {
      values["variance \(depth)"] = stream.variance
      values["stream maximum \(depth)"] = stream.maximum
    }
    for (index, block) in blocks.enumerated() {
      values["attention maximum \(index)"] = block.attentionMaximum
      values["hidden maximum \(index)"] = block.hiddenMaximum
      values["feed-forward maximum \(index)"] = block.feedForwardMaximum
      values["block gradient norm \(index)"] = block.gradientNorm
    }
    return values
  }

  /// The report that a log's numbers are; nil where one is missing.
  public init?(metrics: [String: Double]) {
    guard let loss = metrics["probe loss"] else { return nil }
    self.loss = loss
    streams = []
    while let variance = metrics["variance \(streams.count)"],
      let maximum = metrics["stream maximum \(streams.count)"]
    {
      streams.append(Stream(variance: variance, maximum: maximum))
    }
    blocks = []
    while let attention = metrics["attention maximum \(blocks.count)"],
      let hidden = metrics["hidden maximum \(blocks.count)"],
      let feedForward = metrics["feed-forward maximum \(blocks.count)"]
    {
      blocks.append(
        Block(
          attentionMaximum: attention,
          hiddenMaximum: hidden,
          feedForwardMaximum: feedForward,
          gradientNorm: metrics["block gradient norm \(blocks.count)"]
        )
      )
    }
    guard streams.count == blocks.count + 1 else { return nil }
  }

  fileprivate init(loss: Double, streams: [Stream], blocks: [Block]) {
    (self.loss, self.streams, self.blocks) = (loss, streams, blocks)
  }

  /// The largest |x| of any stream, module or hidden value.
  public var largestActivation: Double {
    let inside = blocks.flatMap { [$0.attentionMaximum, $0.hiddenMaximum, $0.feedForwardMaximum] }
    return (streams.map(\.maximum) + inside).max() ?? 0
  }
}

extension DecoderModel {
  /// Probes the model on tokens: one forward pass, and one backward for gradients.
  ///
  /// Parameters lose the gradients that they have.
  ///
  /// - Parameters:
  ///   - tokens: what the model reads, [B × T].
  ///   - targets: what follows, [B × T].
  ///   - gradients: whether gradient norms are computed.
  /// - Returns: the numbers by depth.
  public func probeStability(
    _ tokens: Tensor<Int32>,
    targets: Tensor<Int32>,
    gradients: Bool = true
  ) -> StabilityReport {
    var streams: [StabilityReport.Stream] = []
    let none = StabilityReport.Block(attentionMaximum: 0, hiddenMaximum: 0, feedForwardMaximum: 0)
    var blocks = Array(repeating: none, count: configuration.blockCount)
    let observe: ModelObserver = { site, value in
      switch site {
      case .stream: streams.append(.init(value.value))
      case .attention(let block): blocks[block].attentionMaximum = largest(value.value)
      case .feedForwardHidden(let block): blocks[block].hiddenMaximum = largest(value.value)
      case .feedForward(let block): blocks[block].feedForwardMaximum = largest(value.value)
      }
    }
    guard gradients else {
      let loss = withoutGradients { self.loss(tokens, targets: targets, observe: observe) }
      return StabilityReport(loss: Double(loss.item), streams: streams, blocks: blocks)
    }
    clearGradients()
    let loss = self.loss(tokens, targets: targets, observe: observe)
    loss.backward()
    for (index, block) in body.blocks.enumerated() {
      blocks[index].gradientNorm = Double(gradientNorm(of: block.parameters()))
    }
    clearGradients()
    return StabilityReport(loss: Double(loss.item), streams: streams, blocks: blocks)
  }
}

extension StabilityReport.Stream {
  /// The statistics of a stream [R × D].
  fileprivate init(_ state: Tensor<Float>) {
    let width = state.shape[-1]
    variance = state.withUnsafeElements { values -> Double in
      var total = 0.0
      for row in 0..<values.count / width {
        let row = values[row * width..<(row + 1) * width]
        var (sum, squares) = (0.0, 0.0)
        for value in row { sum += Double(value) }
        let mean = sum / Double(width)
        for value in row { squares += (Double(value) - mean) * (Double(value) - mean) }
        total += squares / Double(width)
      }
      return total / Double(Swift.max(values.count / width, 1))
    }
    maximum = largest(state)
  }
}

private func largest(_ x: Tensor<Float>) -> Double {
  let largest: Float = x.abs().max()
  return Double(largest)
}
