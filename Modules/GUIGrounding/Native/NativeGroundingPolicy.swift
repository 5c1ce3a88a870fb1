public import Autograd
public import Tensor

/// A small policy that looks at a view, thinks in place words and answers with a point.
///
///     var generator = Philox(seed: 1)
///     let policy = NativeGroundingPolicy(NativePolicyConfiguration(), using: &generator)
///     let samples = try policy.respond(to: request, count: 16, options: GroundingSampling())
///
/// The instruction scales and shifts the features of the image (FiLM), a decoder writes the response
/// one token at a time, and a pointer adds to place words and bins how well the cells of the grid
/// match: "FiLM stem + pointer". Image and instruction are computed once for all responses to them,
/// in use and in training: that makes training by rewards affordable without an accelerator.
///
/// Linear layers may be replaced by others that compute from codes (`replaceLayer(at:with:)`): such a
/// policy answers, and its codes are not trained.
///
/// Checkpoint paths: `stem.first.weight`, `blocks.0.projection.weight`, `head.weight`.
///
/// - Shapes: P prompts, G responses to each, N = P · G rows, T tokens of a response, S cells.
public final class NativeGroundingPolicy: LinearLayerOwner {
  /// What the policy is made of.
  public let configuration: NativePolicyConfiguration
  let stem: ConditionedStem
  /// What the words of an instruction do to the image [V × d]; nil where bytes are read.
  let instructionWords: Embedding?
  /// Nil where words are read.
  let byteEncoder: ByteEncoder?
  /// The tokens of instruction and response [V × d].
  let embedding: Embedding
  /// [M + T, d].
  let positions: Parameter
  let blocks: [DecoderBlock]
  let norm: LayerNorm
  var head: any LinearLayer
  var pointerQuery: any LinearLayer
  var pointerKey: any LinearLayer
  var gates: any LinearLayer
  let groups: PointerGroups

  /// A policy that starts from random numbers.
  public init(_ configuration: NativePolicyConfiguration, using generator: inout Philox) {
    let flaw = configuration.flaw
    expect(flaw == nil, "native policy: \(flaw ?? "")")
    self.configuration = configuration
    let (d, vocabulary) = (configuration.width, configuration.vocabulary)
    stem = ConditionedStem(configuration, using: &generator)
    (instructionWords, byteEncoder) = Self.instructionReader(configuration, &generator)
    let start = Initializer.normal(deviation: 0.1)
    embedding = Embedding(
      count: vocabulary.count,
      width: d,
      initializer: start,
      using: &generator
    )
    let length = configuration.prefixLength + vocabulary.responseLength
    positions = Parameter(start([length, d], using: &generator))
    blocks = Self.blocks(configuration, &generator)
    norm = LayerNorm(width: d)
    head = Linear(inputWidth: d, outputWidth: vocabulary.count, using: &generator)
    pointerQuery = Linear(inputWidth: d, outputWidth: d, using: &generator)
    pointerKey = Linear(inputWidth: d, outputWidth: d, using: &generator)
    gates = Linear(inputWidth: d, outputWidth: 4, using: &generator)
    groups = PointerGroups(
      gridWidth: configuration.gridWidth,
      gridHeight: configuration.gridHeight,
      binCount: vocabulary.binCount
    )
  }

  private static func instructionReader(
    _ configuration: NativePolicyConfiguration,
    _ generator: inout Philox
  ) -> (Embedding?, ByteEncoder?) {
    switch configuration.instruction {
    case .words:
      let words = Embedding(
        count: configuration.vocabulary.count,
        width: configuration.width,
        initializer: .normal(deviation: 0.5),
        using: &generator
      )
      return (words, nil)
    case .bytes(let length, let blocks):
      let encoder = ByteEncoder(
        configuration,
        maximumLength: length,
        blockCount: blocks,
        using: &generator
      )
      return (nil, encoder)
    }
  }

  private static func blocks(
    _ configuration: NativePolicyConfiguration,
    _ generator: inout Philox
  ) -> [DecoderBlock] {
    var blocks: [DecoderBlock] = []
    for _ in 0..<configuration.blockCount {
      blocks.append(DecoderBlock(configuration.width, configuration.headCount, using: &generator))
    }
    return blocks
  }

  /// The layers of the policy itself that may be replaced; `namedLinearLayers()` has those of its parts
  /// too.
  public static var linearLayers: [LinearLayerPath<NativeGroundingPolicy>] {
    [
      ("head", \.head), ("pointerQuery", \.pointerQuery), ("pointerKey", \.pointerKey),
      ("gates", \.gates),
    ]
  }

  /// The linear layers whose weights are no parameters: those that hold codes.
  var codedLayers: [(name: String, layer: any LinearLayer)] {
    namedLinearLayers().filter { !($0.layer is Linear) }
  }

  /// Whether any layer computes from codes.
  public var isQuantized: Bool { !codedLayers.isEmpty }

  /// A copy whose parameters are not trained: a reference, or the judge of its own responses.
  public func frozenCopy() -> NativeGroundingPolicy {
    let copy = self.copy()
    copy.freeze()
    return copy
  }

  /// A copy with parameters of its own; layers of codes, which never change, are shared.
  public func copy() -> NativeGroundingPolicy {
    var generator = Philox(seed: 0)
    let copy = NativeGroundingPolicy(configuration, using: &generator)
    for (name, layer) in codedLayers {
      do throws(ModuleError) { try copy.replaceLayer(at: name, with: layer) } catch {
        expect(false, "native policy: copy, \(error)")
      }
    }
    for (mine, other) in zip(parameters(), copy.parameters()) {
      other.value = mine.value
      other.isTrainable = mine.isTrainable
    }
    return copy
  }
}

// MARK: - Forward

/// What a policy has computed of images and instructions, once for all responses to them.
struct PolicyContext {
  /// P.
  let promptCount: Int
  /// The positions before the response [P × M × d], without positions.
  let prefix: Variable
  /// The image for each block.
  let memories: [ImageMemory]
  /// [P × S × d].
  let pointerKeys: Variable
}

extension NativeGroundingPolicy {
  /// Computes views [P × 3 × H × W] and their instructions.
  func context(views: Tensor<Float>, instructions: InstructionBatch) -> PolicyContext {
    let encoded = encode(instructions)
    let grid = stem(views, condition: encoded.condition)  // [P, S, d]
    // Layers of codes round what they read: once for all that read the same.
    let made = InterleavedLinear.outputs(
      of: grid,
      by: blocks.flatMap { [$0.crossKey, $0.crossValue] } + [pointerKey]
    )
    return PolicyContext(
      promptCount: views.shape[0],
      prefix: encoded.prefix,
      memories: blocks.indices.map { index in
        blocks[index].memory(keys: made[2 * index], values: made[2 * index + 1])
      },
      pointerKeys: made[2 * blocks.count]
    )
  }

  private func encode(_ batch: InstructionBatch) -> EncodedInstructions {
    if let byteEncoder { return byteEncoder(batch) }
    let words = instructionWords?(batch.ids).sum(axes: 1)
    return EncodedInstructions(
      condition: words ?? Variable(.zeros([batch.count, configuration.width])),
      prefix: embedding(batch.ids)
    )
  }

  /// The logits of every token of responses [N × T × V], each from what stands before it.
  ///
  /// - Shapes: responses [N × T], the G of a prompt side by side.
  func logits(_ context: PolicyContext, responses: Tensor<Int32>) -> Variable {
    let (rows, length) = (responses.shape[0], responses.shape[1])
    let repeats = rows / max(context.promptCount, 1)
    let prefixLength = configuration.prefixLength
    let written = embedding(responses.sliced(0..<length - 1, axis: 1))  // [N, T − 1, d]
    let prefix = context.prefix.repeated(repeats, axis: 0)  // [N, M, d]
    let total = prefixLength + length - 1
    var x =
      Variable.concatenating([prefix, written], axis: 1)
      + positions.variable.sliced(0..<total, axis: 0)
    let mask = Self.mask(prefixLength: prefixLength, total: total)
    for (block, memory) in zip(blocks, context.memories) {
      x = block(x, memory: memory, mask: mask)
    }
    let seen = x.sliced(prefixLength - 1..<total, axis: 1)  // [N, T, d]
    return output(seen, context).reshaped(to: [rows, length, configuration.vocabulary.count])
  }

  /// Causal, but for the prefix, whose positions see each other.
  private static func mask(prefixLength: Int, total: Int) -> AttentionMask {
    guard prefixLength > 1 else { return .causal }
    let allowed = (0..<total).flatMap { row in
      (0..<total).map { $0 <= row || $0 < prefixLength }
    }
    return AttentionMask(pairs: .allowed(Tensor(allowed, shape: [1, 1, total, total])))
  }

  /// The logits of hidden states [N × T × d], as rows [N · T × V].
  private func output(_ hidden: Variable, _ context: PolicyContext) -> Variable {
    let width = configuration.width
    let h = norm(hidden).reshaped(to: [hidden.count / width, width])
    let shape: Shape = [context.promptCount, h.shape[0] / context.promptCount, width]
    let made = InterleavedLinear.outputs(of: h, by: [pointerQuery, head])
    let scores = made[0].reshaped(to: shape).matmul(
      context.pointerKeys,
      transposingOther: true
    )  // [P, G · T, S]
    let scale = 1 / Float(width).squareRoot()
    return addingPointerBias(
      to: made[1],
      scores: scores.reshaped(to: [h.shape[0], scores.shape[2]]) * scale,
      gates: gates(h),
      groups: groups
    )
  }
}

// MARK: - One token after another

extension NativeGroundingPolicy {
  /// Responses that are being written: the caches of all blocks and the next token's logits.
  struct Writing {
    let context: PolicyContext
    fileprivate var caches: [DecoderCache]
    /// [N × V].
    fileprivate(set) var logits: Tensor<Float>
    fileprivate var position: Int
  }

  /// Begins `count` responses to each prompt.
  func begin(_ context: PolicyContext, count: Int) -> Writing {
    withoutGradients {
      let (length, prompts) = (configuration.prefixLength, context.promptCount)
      let capacity = length + configuration.vocabulary.responseLength - 1
      var caches = blocks.map { _ in
        DecoderCache(
          rows: prompts * count,
          repeats: count,
          capacity: capacity,
          headCount: configuration.headCount,
          width: configuration.width
        )
      }
      var x = context.prefix + positions.variable.sliced(0..<length, axis: 0)
      for index in blocks.indices {
        x = blocks[index].prefix(x, memory: context.memories[index], cache: &caches[index])
      }
      let last = x.sliced(length - 1..<length, axis: 1)  // [P, 1, d]
      let logits = output(last, context).value.repeated(count, axis: 0)  // [N, V]
      return Writing(context: context, caches: caches, logits: logits, position: length)
    }
  }

  /// Adds a token to each response [N] and computes the logits of the next.
  func advance(_ writing: inout Writing, by tokens: [Int32]) {
    withoutGradients {
      let ids = Tensor(tokens, shape: [tokens.count, 1])
      let place = writing.position
      var x = embedding(ids) + positions.variable.sliced(place..<place + 1, axis: 0)
      for index in blocks.indices {
        x = blocks[index].step(
          x,
          memory: writing.context.memories[index],
          cache: &writing.caches[index]
        )
      }
      writing.logits = output(x, writing.context).value
      writing.position += 1
    }
  }
}
