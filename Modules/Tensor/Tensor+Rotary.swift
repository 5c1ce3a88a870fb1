import CKernels

/// Which elements of a head a rotary embedding turns together.
public enum RotaryPairing: Hashable, Sendable {
  /// (i, i + r/2): Llama, GPT-NeoX, as the transformers library stores them.
  case halves
  /// (2i, 2i + 1): the paper, GPT-J, GGUF's own Llama layout.
  case neighbours
}

/// How a rotary embedding is applied.
public struct RotaryOptions: Hashable, Sendable {
  /// Which elements turn together.
  public var pairing: RotaryPairing
  /// The order of the axes.
  public var layout: HeadLayout
  /// The heads that are turned, where others pass: the values of a fused projection; nil for all.
  public var heads: Range<Int>?

  /// Options, by default the whole of [B × T × H × d] in halves.
  public init(
    pairing: RotaryPairing = .halves,
    layout: HeadLayout = .positionsFirst,
    heads: Range<Int>? = nil
  ) {
    self.pairing = pairing
    self.layout = layout
    self.heads = heads
  }
}

extension Tensor where Element == Float {
  /// Turns pairs of elements of each head by the angles of its position.
  ///
  /// Only the first r elements of a head turn when the tables are narrower than it.
  ///
  /// - Shapes: self [B × T × H × d] or [B × H × T × d]; cosines and sines [T × r/2] or
  ///   [B × T × r/2], r ≤ d.
  /// - Source: Su et al. 2021, "RoFormer", section 3.4.
  public func rotated(
    cosines: Tensor,
    sines: Tensor,
    options: RotaryOptions = RotaryOptions()
  ) -> Tensor {
    turned(cosines, sines, options, isBackward: false)
  }

  /// The gradient of `rotated`: the rotation by the negative angles.
  package func rotatedBack(
    cosines: Tensor,
    sines: Tensor,
    options: RotaryOptions = RotaryOptions()
  ) -> Tensor {
    turned(cosines, sines, options, isBackward: true)
  }

  private func turned(
    _ cosines: Tensor,
    _ sines: Tensor,
    _ options: RotaryOptions,
    isBackward: Bool
  ) -> Tensor {
    expect(rank == 4, "rotate: four axes are needed, found \(shape)")
    let all = AttentionHeads(self, options.layout)
    expect(
      cosines.shape == sines.shape && (2...3).contains(cosines.rank)
        && cosines.shape[-2] == all.rows && 2 * cosines.shape[-1] <= all.width
        && (cosines.rank == 2 || cosines.shape[0] == all.batch),
      "rotate: the tables do not fit, \(shape) · \(cosines.shape) · \(sines.shape)"
    )
    let heads = options.heads ?? 0..<all.heads
    expect(
      heads.lowerBound >= 0 && heads.upperBound <= all.heads,
      "rotate: heads \(heads) of \(shape)"
    )
    let result = heads.count == all.heads ? Tensor(uninitialized: shape) { _ in } : copied()
    var arguments = ck_rotary()
    arguments.batch_count = all.batch
    arguments.head_count = heads.count
    arguments.row_count = all.rows
    arguments.head_width = all.width
    arguments.rotated_width = 2 * cosines.shape[-1]
    arguments.neighbours = options.pairing == .neighbours
    arguments.backward = isBackward
    arguments.cosines = UnsafePointer(cosines.start)
    arguments.sines = UnsafePointer(sines.start)
    arguments.table_stride = cosines.rank == 2 ? 0 : all.rows * cosines.shape[-1]
    let skipped = heads.lowerBound * all.strides.head
    arguments.x = UnsafePointer(start + skipped)
    arguments.x_strides = all.strides
    arguments.out = result.start + skipped
    arguments.out_strides = all.strides
    ck_rotate(&arguments)
    withExtendedLifetime((self, cosines, sines, result)) {}
    return result
  }

  private func copied() -> Tensor {
    withUnsafeElements { source in
      Tensor(uninitialized: shape) { target in
        guard let to = target.baseAddress, let from = source.baseAddress else { return }
        to.update(from: from, count: source.count)
      }
    }
  }
}
