import CKernels

/// The cross-entropy of logits x Wᵀ that are never all in memory at once.
///
/// A chunk of rows at a time: the logits, their loss, their gradient in their place, and its products
/// with W and x, while the chunk is in cache. So the gradients are there when the loss is; computing
/// them in the backward pass instead would cost the logits' product again, a third more.
///
/// - Source: Hsu et al. 2024, "Liger Kernel", section 3.2.
package struct LinearCrossEntropy {
  /// The losses of the rows, [N].
  package private(set) var losses: Tensor<Float>
  /// The gradient of x, [N × D]; nil unless wanted.
  package private(set) var inputGradient: Tensor<Float>?
  /// The gradient of W, [V × D]; nil unless wanted.
  package private(set) var weightGradient: Tensor<Float>?

  /// The logits of one chunk, 16 MiB.
  ///
  /// Fewer, and the gradient of the weight, which each chunk adds
  /// to, costs more than it; more, and memory grows while the products gain nothing.
  private static let chunkElements = 1 << 22

  /// - Shapes: x [N × D], weight [V × D], targets [N].
  package init(
    _ x: Tensor<Float>,
    weight: Tensor<Float>,
    targets: Tensor<Int32>,
    options: CrossEntropyOptions,
    factors: RowFactors,
    wanted: (input: Bool, weight: Bool)
  ) {
    let (rows, width, classes) = (x.shape[0], x.shape[1], weight.shape[0])
    let chunk = min(max(64, Self.chunkElements / max(classes, 1) / 64 * 64), max(rows, 1))
    inputGradient = wanted.input ? Tensor(uninitialized: x.shape) { _ in } : nil
    weightGradient = wanted.weight ? Tensor(uninitialized: weight.shape) { _ in } : nil
    if rows == 0 { weightGradient = wanted.weight ? .zeros(weight.shape) : nil }
    let logits = Tensor<Float>(uninitialized: [chunk, classes]) { _ in }
    let (w, out, dx) = (weight.start, logits.start, inputGradient?.start)
    let dw = weightGradient?.start
    losses = Tensor(uninitialized: [rows]) { losses in
      guard let loss = losses.baseAddress, classes > 0 else { return }
      for first in stride(from: 0, to: rows, by: chunk) {
        let m = min(chunk, rows - first)
        let h = x.start + first * width
        ck_sgemm(false, true, m, classes, width, h, width, w, width, 0, out, classes)
        var job = ck_cross_entropy(out, targets, options)
        job.targets += first
        job.losses = loss + first
        if wanted.input || wanted.weight { job.gradient = out }
        switch factors {
        case .all(let factor): job.factor = factor
        case .each(let factors): job.factors = UnsafePointer(factors.start + first)
        }
        job.run(rows: m, width: classes)
        if let dx {
          let to = dx + first * width
          ck_sgemm(false, false, m, width, classes, out, classes, w, width, 0, to, width)
        }
        if let dw {
          let beta: Float = first > 0 ? 1 : 0
          ck_sgemm(true, false, classes, width, m, out, classes, h, width, beta, dw, width)
        }
      }
    }
    withExtendedLifetime((x, weight, targets, logits, factors)) {}
  }

  /// The gradient of x times a number, in the memory it has.
  package mutating func takeInputGradient(times factor: Float) -> Tensor<Float>? {
    Self.take(&inputGradient, times: factor)
  }

  /// The gradient of W times a number, in the memory it has.
  package mutating func takeWeightGradient(times factor: Float) -> Tensor<Float>? {
    Self.take(&weightGradient, times: factor)
  }

  private static func take(
    _ gradient: inout Tensor<Float>?,
    times factor: Float
  ) -> Tensor<Float>? {
    var result = gradient.take()
    result?.scale(by: factor)
    return result
  }
}
