import CKernels

extension Tensor where Element == Float {
  /// weight ⊙ (x − mean) / sqrt(variance + epsilon) + bias with the batch's own statistics.
  ///
  /// - Shapes: self [N × C × …] with more than one element in a channel; weight, bias [C] or nil.
  package func batchNormalized(
    weight: Tensor?,
    bias: Tensor?,
    epsilon: Float
  ) -> (output: Tensor, statistics: BatchStatistics) {
    let layout = batchNormLayout(weight, bias)
    let count = layout.channelCount
    expect(
      count > 1 || self.count == 0,
      "batch norm: one value a channel has no variance, \(shape)"
    )
    let output = Tensor(uninitialized: shape) { _ in }
    let statistics = BatchStatistics(
      mean: channelBuffer(layout.channels),
      variance: channelBuffer(layout.channels),
      reciprocalDeviation: channelBuffer(layout.channels),
      count: count
    )
    let (scale, shift) = (channelBuffer(layout.channels), channelBuffer(layout.channels))
    let (mean, variance) = (statistics.mean.start, statistics.variance.start)
    let deviation = statistics.reciprocalDeviation.start
    layout.forEachPart { arguments, channels in
      let first = channels.lowerBound
      ck_channel_moments(arguments, start, mean + first, variance + first)
      for c in channels {
        deviation[c] = 1 / (variance[c] + epsilon).squareRoot()
        scale.start[c] = deviation[c] * (weight?.start[c] ?? 1)
        shift.start[c] = bias?.start[c] ?? 0
      }
      ck_channel_normalize(
        arguments,
        start,
        mean + first,
        scale.start + first,
        shift.start + first,
        output.start
      )
    }
    withExtendedLifetime((self, weight, bias, scale, shift)) {}
    return (output, statistics)
  }

  /// The same with given statistics: inference.
  ///
  /// - Shapes: self [N × C × …]; weight, bias [C] or nil; statistics of C channels.
  package func batchNormalized(
    weight: Tensor?,
    bias: Tensor?,
    using statistics: RunningStatistics,
    epsilon: Float
  ) -> Tensor {
    let layout = batchNormLayout(weight, bias)
    expect(
      statistics.mean.count == layout.channels,
      "batch norm: the statistics do not fit, \(shape) · \(statistics.mean.shape)"
    )
    let deviation = statistics.reciprocalDeviation(epsilon: epsilon)
    let scale = weight.map { deviation * $0 } ?? deviation
    return normalizedChannels(layout, mean: statistics.mean, scale: scale, shift: bias)
  }

  /// (x − mean) · scale + shift, channel by channel.
  func normalizedChannels(
    _ layout: ChannelLayout,
    mean: Tensor,
    scale: Tensor,
    shift: Tensor?
  ) -> Tensor {
    let output = Tensor(uninitialized: shape) { _ in }
    let shift = shift ?? .zeros([layout.channels])
    layout.forEachPart { arguments, channels in
      let first = channels.lowerBound
      ck_channel_normalize(
        arguments,
        start,
        mean.start + first,
        scale.start + first,
        shift.start + first,
        output.start
      )
    }
    withExtendedLifetime((self, mean, scale, shift)) {}
    return output
  }

  private func batchNormLayout(_ weight: Tensor?, _ bias: Tensor?) -> ChannelLayout {
    expect(rank >= 2, "batch norm: \(shape) has no channels")
    let channels: Shape = [shape[1]]
    expect(
      (weight?.shape ?? channels) == channels && (bias?.shape ?? channels) == channels,
      "batch norm: weight or bias do not fit, \(shape) · "
        + "\(weight?.shape ?? channels), \(bias?.shape ?? channels)"
    )
    return ChannelLayout(shape)
  }
}

extension RunningStatistics {
  /// 1 / sqrt(variance + epsilon).
  package func reciprocalDeviation(epsilon: Float) -> Tensor<Float> {
    Tensor(variance.elements.map { 1 / ($0 + epsilon).squareRoot() })
  }
}

// MARK: - Gradients

/// The gradients of a normalization with weight and bias.
package struct NormalizationGradients {
  /// Of the input.
  package let input: Tensor<Float>
  /// Of the weight, Σ gradient · normalized input.
  package let weight: Tensor<Float>
  /// Of the bias, Σ gradient.
  package let bias: Tensor<Float>
}

extension Tensor where Element == Float {
  /// The gradients of `batchNormalized` with the batch's statistics; self is its input.
  ///
  /// With x̂ the normalized input, w the weight, σ the deviation and ⟨ ⟩ the mean over a channel:
  ///
  ///     dx = w/σ · (g − ⟨g⟩ − x̂ ⟨g x̂⟩)      dw = Σ g x̂      db = Σ g
  package func batchNormGradients(
    _ gradient: Tensor,
    weight: Tensor?,
    statistics: BatchStatistics
  ) -> NormalizationGradients {
    let layout = ChannelLayout(shape)
    let terms = ChannelTerms(layout.channels)
    let input = Tensor(uninitialized: shape) { _ in }
    let weights = channelBuffer(layout.channels)
    let biases = channelBuffer(layout.channels)
    let (mean, deviation) = (statistics.mean, statistics.reciprocalDeviation)
    layout.forEachPart { arguments, channels in
      sumProducts(arguments, channels, gradient, mean) { c, sum, product in
        let r = Double(deviation.start[c])
        let factor = r * Double(weight?.start[c] ?? 1)
        weights.start[c] = Float(product * r)
        biases.start[c] = Float(sum)
        let count = Double(statistics.count)
        terms.gradient.start[c] = Float(factor)
        terms.deviation.start[c] = Float(-factor * r * r * product / count)
        terms.constant.start[c] = Float(-factor * sum / count)
      }
      applyTerms(terms, arguments, channels, gradient, mean, into: input)
    }
    withExtendedLifetime((self, gradient, weight, statistics.mean)) {}
    return NormalizationGradients(input: input, weight: weights, bias: biases)
  }

  /// The gradients of `batchNormalized` with given statistics; self is its input.
  package func batchNormGradients(
    _ gradient: Tensor,
    weight: Tensor?,
    using statistics: RunningStatistics,
    epsilon: Float
  ) -> NormalizationGradients {
    let layout = ChannelLayout(shape)
    let deviation = statistics.reciprocalDeviation(epsilon: epsilon)
    let weights = channelBuffer(layout.channels)
    let biases = channelBuffer(layout.channels)
    layout.forEachPart { arguments, channels in
      sumProducts(arguments, channels, gradient, statistics.mean) { c, sum, product in
        weights.start[c] = Float(product * Double(deviation.start[c]))
        biases.start[c] = Float(sum)
      }
    }
    withExtendedLifetime((self, gradient)) {}
    let scale = weight.map { deviation * $0 } ?? deviation
    let none = Tensor.zeros([layout.channels])
    return NormalizationGradients(
      input: gradient.normalizedChannels(layout, mean: none, scale: scale, shift: nil),
      weight: weights,
      bias: biases
    )
  }

  /// Calls `body` for each channel of a part with Σ gradient and Σ gradient · (x − mean).
  func sumProducts(
    _ arguments: UnsafePointer<ck_channels>,
    _ channels: Range<Int>,
    _ gradient: Tensor,
    _ mean: Tensor,
    _ body: (_ channel: Int, _ sum: Double, _ product: Double) -> Void
  ) {
    withUnsafeTemporaryAllocation(of: Double.self, capacity: 2 * channels.count) { sums in
      guard let first = sums.baseAddress else { return }
      ck_channel_products(
        arguments,
        start,
        gradient.start,
        mean.start + channels.lowerBound,
        first,
        first + channels.count
      )
      for (i, c) in channels.enumerated() { body(c, first[i], first[channels.count + i]) }
    }
  }

  /// terms.gradient · gradient + terms.deviation · (x − mean) + terms.constant for a part.
  func applyTerms(
    _ terms: ChannelTerms,
    _ arguments: UnsafePointer<ck_channels>,
    _ channels: Range<Int>,
    _ gradient: Tensor,
    _ mean: Tensor,
    into target: Tensor
  ) {
    let first = channels.lowerBound
    var factors = ck_channel_terms(
      gradient: terms.gradient.start + first,
      deviation: terms.deviation.start + first,
      constant: terms.constant.start + first
    )
    ck_channel_gradient(
      arguments,
      start,
      gradient.start,
      mean.start + first,
      &factors,
      target.start
    )
  }
}

/// The factors of the gradient of a normalization, for each channel.
struct ChannelTerms {
  let gradient: Tensor<Float>
  let deviation: Tensor<Float>
  let constant: Tensor<Float>

  init(_ count: Int) {
    gradient = channelBuffer(count)
    deviation = channelBuffer(count)
    constant = channelBuffer(count)
  }
}
