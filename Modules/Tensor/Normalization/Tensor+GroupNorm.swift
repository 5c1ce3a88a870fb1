import CKernels

/// What group normalization found out about each group of each image.
package struct GroupStatistics {
  /// The mean, [N · groups].
  package let mean: Tensor<Float>
  /// 1 / sqrt(variance + epsilon), [N · groups].
  package let reciprocalDeviation: Tensor<Float>
  /// The number of groups of an image.
  package let groups: Int

  /// The mean of each channel's group, [N · C].
  fileprivate func means(channels: Int) -> Tensor<Float> {
    let width = channels / groups
    let result = channelBuffer(mean.count * width)
    for i in 0..<result.count { result.start[i] = mean.start[i / width] }
    return result
  }
}

extension Tensor where Element == Float {
  /// weight ⊙ (x − mean) / sqrt(variance + epsilon) + bias, with the statistics of groups of
  /// neighbouring channels of each image.
  ///
  /// - Shapes: self [N × C × …] with C divisible by `groups`; weight, bias [C] or nil.
  /// - Source: Wu and He 2018, "Group Normalization".
  package func groupNormalized(
    groups: Int,
    weight: Tensor?,
    bias: Tensor?,
    epsilon: Float
  ) -> (output: Tensor, statistics: GroupStatistics) {
    expect(
      rank >= 2 && groups > 0 && shape[1] % groups == 0,
      "group norm: the channels of \(shape) do not make \(groups) groups"
    )
    let (batch, channels) = (shape[0], shape[1])
    expect(
      (weight?.shape ?? [channels]) == [channels] && (bias?.shape ?? [channels]) == [channels],
      "group norm: weight or bias do not fit, \(shape) · "
        + "\(weight?.shape ?? [channels]), \(bias?.shape ?? [channels])"
    )
    let statistics = groupStatistics(groups, epsilon)
    let width = channels / groups
    let scale = channelBuffer(batch * channels)
    let shift = channelBuffer(batch * channels)
    for i in 0..<batch * channels {
      let c = i % channels
      scale.start[i] = statistics.reciprocalDeviation.start[i / width] * (weight?.start[c] ?? 1)
      shift.start[i] = bias?.start[c] ?? 0
    }
    withExtendedLifetime((weight, bias)) {}
    let output = normalizedChannels(
      eachChannelOfEachImage,
      mean: statistics.means(channels: channels),
      scale: scale,
      shift: shift
    )
    return (output, statistics)
  }

  /// The gradients of `groupNormalized`; self is its input.
  ///
  /// With x̂ the normalized input, w the weight of its channel, σ the deviation and ⟨ ⟩ the mean over
  /// a group:
  ///
  ///     dx = (w g − ⟨w g⟩ − x̂ ⟨w g x̂⟩) / σ      dw = Σ g x̂      db = Σ g
  package func groupNormGradients(
    _ gradient: Tensor,
    weight: Tensor?,
    statistics: GroupStatistics
  ) -> NormalizationGradients {
    let channels = shape[1]
    let layout = eachChannelOfEachImage
    let mean = statistics.means(channels: channels)
    let (sums, products) = (channelBuffer(layout.channels), channelBuffer(layout.channels))
    layout.forEachPart { arguments, part in
      sumProducts(arguments, part, gradient, mean) { i, sum, product in
        sums.start[i] = Float(sum)
        products.start[i] = Float(product)
      }
    }
    let terms = groupTerms(sums, products, weight, statistics)
    let input = Tensor(uninitialized: shape) { _ in }
    layout.forEachPart { arguments, part in
      applyTerms(terms, arguments, part, gradient, mean, into: input)
    }
    var weights = [Double](repeating: 0, count: channels)
    var biases = weights
    let width = channels / statistics.groups
    for i in 0..<layout.channels {
      let r = Double(statistics.reciprocalDeviation.start[i / width])
      weights[i % channels] += Double(products.start[i]) * r
      biases[i % channels] += Double(sums.start[i])
    }
    withExtendedLifetime((self, gradient, weight, statistics.mean)) {}
    return NormalizationGradients(
      input: input,
      weight: Tensor(weights.map(Float.init)),
      bias: Tensor(biases.map(Float.init))
    )
  }

  /// The factors of each channel of each image, from the sums over its plane.
  private func groupTerms(
    _ sums: Tensor,
    _ products: Tensor,
    _ weight: Tensor?,
    _ statistics: GroupStatistics
  ) -> ChannelTerms {
    let (channels, width) = (shape[1], shape[1] / statistics.groups)
    let terms = ChannelTerms(sums.count)
    let count = Double(width * eachChannelOfEachImage.plane)
    for group in 0..<statistics.mean.count {
      let r = Double(statistics.reciprocalDeviation.start[group])
      let members = group * width..<(group + 1) * width
      var (sum, product) = (0.0, 0.0)
      for i in members {
        let w = Double(weight?.start[i % channels] ?? 1)
        sum += w * Double(sums.start[i])
        product += w * Double(products.start[i])
      }
      for i in members {
        terms.gradient.start[i] = Float(r) * (weight?.start[i % channels] ?? 1)
        terms.deviation.start[i] = Float(-r * r * r * product / count)
        terms.constant.start[i] = Float(-r * sum / count)
      }
    }
    return terms
  }

  private var eachChannelOfEachImage: ChannelLayout {
    let layout = ChannelLayout(shape)
    return ChannelLayout(batch: 1, channels: layout.batch * layout.channels, plane: layout.plane)
  }

  private func groupStatistics(_ groups: Int, _ epsilon: Float) -> GroupStatistics {
    let layout = ChannelLayout(shape)
    let all = ChannelLayout(
      batch: 1,
      channels: layout.batch * groups,
      plane: layout.channels / groups * layout.plane
    )
    let (mean, deviation) = (channelBuffer(all.channels), channelBuffer(all.channels))
    all.forEachPart { arguments, part in
      let first = part.lowerBound
      ck_channel_moments(arguments, start, mean.start + first, deviation.start + first)
      for i in part { deviation.start[i] = 1 / (deviation.start[i] + epsilon).squareRoot() }
    }
    withExtendedLifetime(self) {}
    return GroupStatistics(mean: mean, reciprocalDeviation: deviation, groups: groups)
  }
}
