import CKernels

extension Tensor where Element == Float {
  /// softmax(scale · Q Kᵀ) V; no T×S buffer.
  ///
  /// Query heads share key heads in groups: head h takes key head h / (H / KV).
  ///
  /// - Shapes: queries [B × H × T × d], keys and values [B × KV × S × d], result [B × H × T × d];
  ///   with `positionsFirst` [B × T × H × d] and so on.
  /// - Source: Dao 2023, "FlashAttention-2".
  public static func attention(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    layout: HeadLayout = .headsFirst,
    options: AttentionOptions = AttentionOptions()
  ) -> Tensor {
    let input = AttentionInput(queries: queries, keys: keys, values: values, layout: layout)
    return attention(input, options).value
  }

  /// softmax(scale · Q Kᵀ) V, and what its gradients need.
  package static func attention(
    _ input: AttentionInput,
    _ options: AttentionOptions
  ) -> AttentionOutput {
    let queries = input.heads(of: input.tensors).0
    let output = AttentionOutput(
      value: Tensor(uninitialized: input.outputShape) { _ in },
      logSumExp: Tensor(uninitialized: [queries.batch, queries.heads, queries.rows]) { _ in }
    )
    withProblem(input, output, options) { ck_attention_forward(&$0) }
    return output
  }

  /// The gradients of `input.tensors`, from the gradient of the output.
  ///
  /// - Source: Dao 2023, "FlashAttention-2", algorithm 2.
  package static func attentionGradients(
    _ outputGradient: Tensor,
    _ input: AttentionInput,
    _ output: AttentionOutput,
    _ options: AttentionOptions
  ) -> [Tensor] {
    expect(
      outputGradient.shape == output.value.shape,
      "attention gradients: shapes differ, \(outputGradient.shape) · \(output.value.shape)"
    )
    let gradients = input.tensors.map { Tensor(uninitialized: $0.shape) { _ in } }
    let (q, k, v) = input.heads(of: gradients)
    let from = input.outputHeads(of: outputGradient)
    withProblem(input, output, options) { problem in
      withUnsafePointer(to: problem) { pointer in
        var arguments = ck_attention_gradients()
        arguments.problem = pointer
        arguments.out_gradient = UnsafePointer(from.start)
        arguments.out_gradient_strides = from.strides
        arguments.q_gradient = q.start
        arguments.q_gradient_strides = q.strides
        arguments.k_gradient = k.start
        arguments.k_gradient_strides = k.strides
        arguments.v_gradient = v.start
        arguments.v_gradient_strides = v.strides
        ck_attention_backward(&arguments)
      }
    }
    withExtendedLifetime((gradients, outputGradient)) {}
    return gradients
  }

  private static func withProblem(
    _ input: AttentionInput,
    _ output: AttentionOutput,
    _ options: AttentionOptions,
    _ body: (inout ck_attention_problem) -> Void
  ) {
    let (q, k, v) = input.heads(of: input.tensors)
    let out = input.outputHeads(of: output.value)
    var problem = ck_attention_problem()
    problem.batch_count = q.batch
    problem.head_count = q.heads
    problem.key_head_count = k.heads
    problem.query_count = q.rows
    problem.key_count = k.rows
    problem.head_width = q.width
    problem.scale = options.scale ?? 1 / Float(q.width).squareRoot()
    problem.soft_cap = options.softCap ?? 0
    problem.q = UnsafePointer(q.start)
    problem.q_strides = q.strides
    problem.k = UnsafePointer(k.start)
    problem.k_strides = k.strides
    problem.v = UnsafePointer(v.start)
    problem.v_strides = v.strides
    problem.out = out.start
    problem.out_strides = out.strides
    problem.log_sum_exp = output.logSumExp.start
    options.mask.withUnsafeMask(&problem, body)
    withExtendedLifetime((input, output)) {}
  }
}

extension AttentionMask {
  /// Calls `body` with the problem under this mask.
  fileprivate func withUnsafeMask(
    _ problem: inout ck_attention_problem,
    _ body: (inout ck_attention_problem) -> Void
  ) {
    let (batch, keys) = (problem.batch_count, problem.key_count)
    expect(window ?? 1 > 0, "attention: a window of \(window ?? 0)")
    problem.causal = isCausal
    problem.window = window ?? 0
    switch pairs {
    case nil: break
    case .allowed(let allowed):
      problem.mask_strides = Self.strides(allowed.shape, problem)
      problem.allowed = UnsafeRawPointer(allowed.start).assumingMemoryBound(to: UInt8.self)
    case .bias(let bias):
      problem.mask_strides = Self.strides(bias.shape, problem)
      problem.bias = UnsafePointer(bias.start)
    }
    if let keyLengths {
      expect(
        keyLengths.count == batch && keyLengths.allSatisfy { 0...keys ~= $0 },
        "attention: key lengths \(keyLengths) for \(batch) sequences of \(keys) keys"
      )
      keyLengths.map { Int32($0) }.withUnsafeBufferPointer { lengths in
        problem.key_lengths = lengths.baseAddress
        body(&problem)
      }
    } else {
      body(&problem)
    }
    withExtendedLifetime(pairs) {}
  }

  /// The strides of a mask [B|1 × H|1 × T|1 × S], whose leading axes may be missing.
  private static func strides(_ shape: Shape, _ problem: ck_attention_problem) -> ck_head_strides {
    let full: Shape = [
      problem.batch_count, problem.head_count, problem.query_count, problem.key_count,
    ]
    let missing = 4 - shape.rank
    expect(
      missing >= 0 && shape.rank > 0 && shape[-1] == full[3]
        && (0..<shape.rank).allSatisfy { shape[$0] == 1 || shape[$0] == full[$0 + missing] },
      "attention: the mask does not fit, \(shape) · \(full)"
    )
    var stride = shape[-1]
    var strides = [0, 0, 0]
    for axis in (0..<3).reversed() where axis >= missing {
      let extent = shape[axis - missing]
      strides[axis] = extent == 1 ? 0 : stride
      stride *= extent
    }
    return ck_head_strides(batch: strides[0], head: strides[1], row: strides[2])
  }
}
