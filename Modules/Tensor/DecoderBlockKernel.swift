import CKernels

/// A block of a decoder as one kernel, for the few rows of a token that is written.
///
///     x = x + N₂(attention(N₁(x))),   x = x + N₄((f(g) ⊙ u) W_downᵀ),   g, u of N₃(x)
///
/// It runs the kernels of the single layers in their order, with the same bits, but allocates nothing
/// between them.
package final class DecoderBlockKernel {
  /// A norm along rows.
  package struct Norm {
    let weight: Tensor<Float>
    let bias: Tensor<Float>?
    let offset: Float
    let epsilon: Float
    let centres: Bool

    /// (offset + weight) ⊙ the normalized row + bias.
    package init(
      weight: Tensor<Float>,
      bias: Tensor<Float>? = nil,
      offset: Float = 0,
      epsilon: Float,
      centres: Bool
    ) {
      self.weight = weight
      self.bias = bias
      self.offset = offset
      self.epsilon = epsilon
      self.centres = centres
    }
  }

  /// A linear map.
  package typealias Layer = (matrix: InterleavedMatrix, bias: Tensor<Float>?)

  /// Norms around attention and the feed-forward network, and of the heads of queries and keys.
  package struct Norms {
    package var attentionInput, attentionOutput, feedInput, feedOutput, query, key: Norm?

    package init() {}
  }

  /// How heads attend.
  package struct Attention {
    let headCount, keyHeadCount, headWidth: Int
    let window: Int?
    let scale: Float
    let softCap: Float?

    package init(
      headCount: Int,
      keyHeadCount: Int,
      headWidth: Int,
      window: Int?,
      scale: Float,
      softCap: Float?
    ) {
      (self.headCount, self.keyHeadCount, self.headWidth) = (headCount, keyHeadCount, headWidth)
      (self.window, self.scale, self.softCap) = (window, scale, softCap)
    }
  }

  /// Keys or values of a sequence [KV × capacity × d], which must stay where they are during a call.
  package enum CachedRows {
    /// As they are.
    case floats(UnsafeMutablePointer<Float>)
    /// As codes of 8 bits; step and zero point of each row [KV × capacity × 2].
    case codes(UnsafeMutablePointer<UInt8>, grids: UnsafeMutablePointer<Float>)

    fileprivate var kernel: ck_cached_rows {
      switch self {
      case .floats(let floats): ck_cached_rows(floats: floats, codes: nil, grids: nil)
      case .codes(let codes, let grids): ck_cached_rows(floats: nil, codes: codes, grids: grids)
      }
    }
  }

  /// Where a row stands: the keys and values of its sequence, and its place among them.
  package struct Row {
    let keys, values: CachedRows
    let capacity, position: Int

    package init(keys: CachedRows, values: CachedRows, capacity: Int, position: Int) {
      (self.keys, self.values) = (keys, values)
      (self.capacity, self.position) = (capacity, position)
    }
  }

  /// The largest relative error of an input's rounding.
  package let tolerance: Float
  private let norms: Norms
  private let layers: [Layer]
  /// What the kernel reads, made once: its pointers lead into `norms`, `layers` and `matrices`.
  private var block = ck_decoder_block()
  private let matrices: UnsafeMutablePointer<ck_interleaved>

  /// A block.
  ///
  /// - Parameters:
  ///   - norms: what is normalized.
  ///   - attention: how heads attend.
  ///   - layers: of queries, keys, values, outputs, gate, up and down.
  ///   - function: of the gate.
  ///   - tolerance: the largest relative error of an input's rounding.
  package init(
    norms: Norms,
    attention: Attention,
    layers: [Layer],
    function: GateFunction,
    tolerance: Float
  ) {
    expect(layers.count == 7, "decoder block: \(layers.count) layers, seven are needed")
    let (width, inner) = (layers[0].matrix.shape[1], layers[4].matrix.shape[0])
    let queries = attention.headCount * attention.headWidth
    let keys = attention.keyHeadCount * attention.headWidth
    let shapes: [Shape] = [
      [queries, width], [keys, width], [keys, width], [width, queries], [inner, width],
      [inner, width], [width, inner],
    ]
    expect(
      zip(layers, shapes).allSatisfy {
        $0.matrix.shape == $1 && ($0.bias?.count ?? $1[0]) == $1[0]
      },
      "decoder block: shapes \(layers.map(\.matrix.shape)), needed are \(shapes)"
    )
    self.norms = norms
    self.layers = layers
    self.tolerance = tolerance
    matrices = .allocate(capacity: layers.count)
    for (index, layer) in layers.enumerated() {
      (matrices + index).initialize(to: layer.matrix.kernel)
    }
    block = kernel(attention, function)
  }

  deinit { matrices.deallocate() }

  /// Whether these are the norms that the kernel was made with, their numbers unchanged.
  package func has(_ other: Norms) -> Bool {
    norms.attentionInput.isSame(as: other.attentionInput)
      && norms.attentionOutput.isSame(as: other.attentionOutput)
      && norms.feedInput.isSame(as: other.feedInput)
      && norms.feedOutput.isSame(as: other.feedOutput)
      && norms.query.isSame(as: other.query) && norms.key.isSame(as: other.key)
  }

  /// Computes the block in place.
  ///
  /// - Parameters:
  ///   - x: [rows × D].
  ///   - cosines: [rows × d/2], nil if queries and keys do not turn.
  ///   - sines: likewise.
  ///   - place: where row r stands; those of one sequence in order, their places within the capacity.
  package func callAsFunction(
    _ x: inout Tensor<Float>,
    cosines: Tensor<Float>?,
    sines: Tensor<Float>?,
    place: (Int) -> Row
  ) {
    expect(
      x.shape.rank == 2 && x.shape[1] == block.width,
      "decoder block: x is \(x.shape), [rows, \(block.width)] is needed"
    )
    let count = x.shape[0]
    withUnsafeTemporaryAllocation(of: ck_decoder_row.self, capacity: count) { rows in
      for index in 0..<count {
        let row = place(index)
        rows.initializeElement(
          at: index,
          to: ck_decoder_row(
            keys: row.keys.kernel,
            values: row.values.kernel,
            capacity: row.capacity,
            position: row.position
          )
        )
      }
      x.withUnsafeMutableElements { x in
        ck_decode_block(
          &block,
          count,
          rows.baseAddress,
          cosines.map { UnsafePointer($0.start) },
          sines.map { UnsafePointer($0.start) },
          x.baseAddress
        )
      }
    }
    // Pointers into these were used above.
    withExtendedLifetime((self, cosines, sines)) {}
  }

  private func kernel(_ attention: Attention, _ function: GateFunction) -> ck_decoder_block {
    func layer(_ index: Int) -> ck_interleaved_layer {
      ck_interleaved_layer(
        matrix: matrices + index,
        bias: layers[index].bias.map { UnsafePointer($0.start) }
      )
    }
    func weights(_ norm: Norm?) -> ck_norm_weights {
      guard let norm else { return ck_norm_weights() }
      return ck_norm_weights(
        weight: norm.weight.start,
        bias: norm.bias.map { UnsafePointer($0.start) },
        weight_offset: norm.offset,
        epsilon: norm.epsilon,
        centres: norm.centres
      )
    }
    var block = ck_decoder_block()
    block.width = layers[0].matrix.shape[1]
    block.inner_width = layers[4].matrix.shape[0]
    block.head_count = attention.headCount
    block.key_head_count = attention.keyHeadCount
    block.head_width = attention.headWidth
    block.attention_input = weights(norms.attentionInput)
    block.attention_output = weights(norms.attentionOutput)
    block.feed_input = weights(norms.feedInput)
    block.feed_output = weights(norms.feedOutput)
    block.query_norm = weights(norms.query)
    block.key_norm = weights(norms.key)
    (block.query, block.key, block.value, block.output) = (layer(0), layer(1), layer(2), layer(3))
    (block.gate, block.up, block.down) = (layer(4), layer(5), layer(6))
    block.function = Int32(function.function.rawValue)
    block.tolerance = tolerance
    block.window = attention.window ?? 0
    block.scale = attention.scale
    block.soft_cap = attention.softCap ?? 0
    return block
  }
}

extension DecoderBlockKernel.Norm? {
  /// Whether both are the same numbers in memory; while one is kept its memory does not change.
  fileprivate func isSame(as other: Self) -> Bool {
    guard let self, let other else { return (self == nil) == (other == nil) }
    return self.weight.start == other.weight.start && self.bias?.start == other.bias?.start
      && self.offset == other.offset && self.epsilon == other.epsilon
      && self.centres == other.centres
  }
}
