import CKernels

/// Heads as the kernels see them: the place of the first element, extents and strides.
struct AttentionHeads {
  let tensor: Tensor<Float>
  let offset: Int
  let batch, heads, rows, width: Int
  let strides: ck_head_strides

  var start: UnsafeMutablePointer<Float> { tensor.start + offset }

  /// All of a tensor of rank 4.
  init(_ tensor: Tensor<Float>, _ layout: HeadLayout) {
    let shape = tensor.shape
    let (a, b) = (shape[1], shape[2])
    self.tensor = tensor
    offset = 0
    (batch, width) = (shape[0], shape[3])
    switch layout {
    case .headsFirst:
      (heads, rows) = (a, b)
      strides = ck_head_strides(batch: a * b * width, head: b * width, row: width)
    case .positionsFirst:
      (rows, heads) = (a, b)
      strides = ck_head_strides(batch: a * b * width, head: width, row: b * width)
    }
  }

  /// Some of the heads of a tensor [B × T × (heads · width)].
  init(_ tensor: Tensor<Float>, heads: Range<Int>, width: Int) {
    let shape = tensor.shape
    self.tensor = tensor
    offset = heads.lowerBound * width
    (batch, rows) = (shape[0], shape[1])
    self.heads = heads.count
    self.width = width
    strides = ck_head_strides(batch: rows * shape[2], head: width, row: shape[2])
  }
}

/// The queries, keys and values of attention, and where their heads lie.
///
/// Query heads share key heads in groups: head h takes key head h / (H / KV).
package struct AttentionInput: Sendable {
  private enum Arrangement {
    case separate(HeadLayout)
    case fused(heads: Int, keyHeads: Int)
  }

  /// What gradients are for: queries, keys and values, or the one tensor that holds them all.
  package let tensors: [Tensor<Float>]
  private let arrangement: Arrangement

  /// Three tensors.
  ///
  /// - Shapes: headsFirst: queries [B × H × T × d], keys and values [B × KV × S × d];
  ///   positionsFirst: [B × T × H × d], [B × S × KV × d]. The output is laid out like the queries.
  package init(
    queries: Tensor<Float>,
    keys: Tensor<Float>,
    values: Tensor<Float>,
    layout: HeadLayout
  ) {
    tensors = [queries, keys, values]
    arrangement = .separate(layout)
    expect(
      queries.rank == 4 && keys.rank == 4 && keys.shape == values.shape
        && queries.shape[0] == keys.shape[0] && queries.shape[3] == keys.shape[3],
      "attention: shapes do not fit, \(queries.shape) · \(keys.shape) · \(values.shape)"
    )
    checkGroups(queries.shape, keys.shape)
  }

  /// One tensor with the heads of queries, then keys, then values in each row, as one projection
  /// makes them.
  ///
  /// - Shapes: `fused` [B × T × ((H + 2 KV) · d)], output [B × T × (H · d)].
  package init(fused: Tensor<Float>, headCount: Int, keyHeadCount: Int) {
    tensors = [fused]
    arrangement = .fused(heads: headCount, keyHeads: keyHeadCount)
    expect(
      fused.rank == 3 && headCount > 0 && keyHeadCount > 0
        && fused.shape[2] % (headCount + 2 * keyHeadCount) == 0,
      "attention: \(headCount) and twice \(keyHeadCount) heads do not fill \(fused.shape)"
    )
    checkGroups(fused.shape, fused.shape)
  }

  private func checkGroups(_ queries: Shape, _ keys: Shape) {
    let (q, k, _) = heads(of: tensors)
    expect(
      k.heads > 0 && q.heads % k.heads == 0,
      "attention: \(q.heads) heads are no multiple of \(k.heads) key heads, \(queries) · \(keys)"
    )
  }

  /// The heads of queries, keys and values in tensors of the shapes of `tensors`.
  func heads(of tensors: [Tensor<Float>]) -> (AttentionHeads, AttentionHeads, AttentionHeads) {
    switch arrangement {
    case .separate(let layout):
      return (
        AttentionHeads(tensors[0], layout),
        AttentionHeads(tensors[1], layout),
        AttentionHeads(tensors[2], layout)
      )
    case .fused(let heads, let keyHeads):
      let fused = tensors[0]
      let width = fused.shape[2] / (heads + 2 * keyHeads)
      let (keys, values, end) = (heads, heads + keyHeads, heads + 2 * keyHeads)
      return (
        AttentionHeads(fused, heads: 0..<keys, width: width),
        AttentionHeads(fused, heads: keys..<values, width: width),
        AttentionHeads(fused, heads: values..<end, width: width)
      )
    }
  }

  /// The shape of the output and of its gradient.
  package var outputShape: Shape {
    switch arrangement {
    case .separate: tensors[0].shape
    case .fused(let heads, let keyHeads):
      tensors[0].shape.replacingLast(
        with: tensors[0].shape[2] / (heads + 2 * keyHeads) * heads
      )
    }
  }

  /// The heads of an output, or of its gradient.
  func outputHeads(of tensor: Tensor<Float>) -> AttentionHeads {
    switch arrangement {
    case .separate(let layout): AttentionHeads(tensor, layout)
    case .fused(let heads, _):
      AttentionHeads(tensor, heads: 0..<heads, width: tensor.shape[2] / heads)
    }
  }
}

/// What attention computes, and what its gradients need of it.
package struct AttentionOutput: Sendable {
  /// softmax(Q Kᵀ) V, in the layout of the queries.
  package let value: Tensor<Float>
  /// log Σ exp(score) of each query [B × H × T]; −∞ where no key is seen.
  package let logSumExp: Tensor<Float>
}
