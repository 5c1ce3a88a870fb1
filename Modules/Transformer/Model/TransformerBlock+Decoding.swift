import Autograd
package import Tensor

/// A block as one kernel, and the layers that it stands for.
struct DecodingPlan {
  let kernel: DecoderBlockKernel
  fileprivate let layers: [InterleavedLinear]

  /// Whether the kernel stands for these layers and norms: nothing is allocated to find out.
  fileprivate func stands(
    for attention: SelfAttention,
    _ network: GatedFeedForward,
    _ norms: DecoderBlockKernel.Norms
  ) -> Bool {
    attention.query === layers[0] && attention.key === layers[1] && attention.value === layers[2]
      && attention.output === layers[3] && network.gate === layers[4] && network.up === layers[5]
      && network.down === layers[6] && kernel.has(norms)
      && layers.allSatisfy { $0.tolerance == kernel.tolerance }
  }
}

/// How the next rows of sequences go through a block at once: see `DecoderBlockKernel`.
///
/// It is the same computation as `callAsFunction`, for models whose layers compute from interleaved
/// codes; the layers are looked at each time, so whatever replaces one is used.
extension TransformerBlock {
  /// The block as one kernel; nil where a part of it is none that the kernel has.
  package func decodingKernel() -> DecoderBlockKernel? {
    guard let network = feedForward as? GatedFeedForward,
      attentionNorms.sum == nil, feedForwardNorms.sum == nil
    else { return nil }
    var norms = DecoderBlockKernel.Norms()
    guard attention.fitsKernel, attention.addNorms(to: &norms),
      attentionNorms.input.adds(to: &norms.attentionInput),
      attentionNorms.output.adds(to: &norms.attentionOutput),
      feedForwardNorms.input.adds(to: &norms.feedInput),
      feedForwardNorms.output.adds(to: &norms.feedOutput)
    else { return nil }
    if decodingPlan?.stands(for: attention, network, norms) != true {
      decodingPlan = plan(network, norms)
    }
    return decodingPlan?.kernel
  }

  private func plan(
    _ network: GatedFeedForward,
    _ norms: DecoderBlockKernel.Norms
  ) -> DecodingPlan? {
    let layers = [
      attention.query, attention.key, attention.value, attention.output, network.gate, network.up,
      network.down,
    ].compactMap { $0 as? InterleavedLinear }
    guard layers.count == 7, layers.allSatisfy({ $0.inputOrder == nil }),
      layers.allSatisfy({ $0.tolerance == layers[0].tolerance })
    else { return nil }
    return DecodingPlan(
      kernel: DecoderBlockKernel(
        norms: norms,
        attention: attention.shapeOfHeads,
        layers: layers.map { ($0.weight, $0.bias) },
        function: network.function,
        tolerance: layers[0].tolerance
      ),
      layers: layers
    )
  }

  /// The stream after this block, where it can be had at once.
  ///
  /// - Parameters:
  ///   - x: [R × D].
  ///   - pass: what the rows share.
  ///   - index: which block this is.
  /// - Returns: whether x is now what it is behind the block; else nothing has happened.
  func decode(_ x: inout Tensor<Float>, _ pass: ForwardPass, block index: Int) -> Bool {
    guard case .cached(let spans) = pass.sequences, let kernel = decodingKernel() else {
      return false
    }
    let table = pass.rotary(hasWindow: attention.hasWindow)
    kernel(&x, cosines: table?.cosines, sines: table?.sines) { row in
      // Each row is the next one of its sequence.
      spans[row].cache.nextRow(block: index)
    }
    // The kernel has written into the caches.
    withExtendedLifetime(spans) {}
    return true
  }
}

extension ForwardPass {
  /// Whether each row is the next one of its sequence, and nobody looks inside.
  var isDecoding: Bool {
    guard observe == nil, case .cached(let spans) = sequences else { return false }
    let first = spans.first?.cache.precision
    return spans.allSatisfy { span in
      span.rows.count == 1 && span.cache.precision == first
    }
  }
}

extension Optional where Wrapped == any NormLayer {
  /// Notes the norm, or that there is none; false for one that the kernel does not have.
  func adds(to place: inout DecoderBlockKernel.Norm?) -> Bool {
    switch self {
    case nil: return true
    case let norm as RMSNorm:
      guard let weight = norm.weight?.value else { return false }
      place = DecoderBlockKernel.Norm(
        weight: weight,
        offset: norm.weightOffset,
        epsilon: norm.epsilon,
        centres: false
      )
      return true
    case let norm as LayerNorm:
      guard let weight = norm.weight?.value else { return false }
      place = DecoderBlockKernel.Norm(
        weight: weight,
        bias: norm.bias?.value,
        epsilon: norm.epsilon,
        centres: true
      )
      return true
    default: return false
    }
  }
}
