public import Autograd
import Tensor

/// A transformer without its head: embedding → blocks → norm.
///
///     x₀ = norm(scale · E[token] + P[position]),  x_{l+1} = Block_l(x_l),  result = Norm(x_L)
///
/// The stream is [R × D]: the rows of all sequences, one below the other.
public final class TransformerBody: Module {
  /// The shape of the model.
  public let configuration: TransformerConfiguration
  /// E [V × E].
  public let embedding: any LinearLayer
  /// From the embedding's width to D, where they differ.
  public let projectIn: (any LinearLayer)?
  /// P, where positions are learned.
  public let positions: Embedding?
  /// The kinds of segments, where there are any.
  public let tokenTypes: Embedding?
  /// The norm of the embedding.
  public let embeddingNorm: (any NormLayer)?
  /// The blocks in order.
  public let blocks: [TransformerBlock]
  /// The norm after the last block.
  public let finalNorm: (any NormLayer)?
  /// From D to the embedding's width, where they differ.
  public let projectOut: (any LinearLayer)?
  /// Whether training keeps no more of a block than what it reads, and runs it again in the backward
  /// pass.
  ///
  /// The gradients are the same to the bit. A third more time buys the memory of all blocks but one.
  /// A pass that is observed keeps everything.
  ///
  /// Source: Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost".
  public var recomputesBlocks = false
  private let rotary: RotaryEmbedding?
  private let windowRotary: RotaryEmbedding?

  /// The body; without blocks where they are built one at a time.
  init(
    _ configuration: TransformerConfiguration,
    from parts: ModelParts,
    hasBlocks: Bool = true
  ) throws {
    let shape = configuration
    let (width, tableWidth) = (shape.hiddenWidth, shape.embeddingWidth)
    self.configuration = shape
    embedding = try parts.linear("embedding", shape.vocabularyCount, tableWidth)
    projectIn = tableWidth == width ? nil : try parts.linear("projectIn", width, tableWidth)
    if case .learned(let offset) = shape.positions {
      positions = try parts.table("positions", shape.contextLength + offset)
    } else {
      positions = nil
    }
    tokenTypes =
      shape.tokenTypeCount == 0 ? nil : try parts.table("tokenTypes", shape.tokenTypeCount)
    embeddingNorm = shape.normalizesEmbedding ? try parts.norm("embeddingNorm", width) : nil
    let blockCount = hasBlocks ? shape.blockCount : 0
    blocks = try (0..<blockCount).map { try TransformerBlock($0, shape, from: parts) }
    finalNorm = shape.hasFinalNorm ? try parts.norm("finalNorm", width) : nil
    projectOut = tableWidth == width ? nil : try parts.linear("projectOut", tableWidth, width)
    func rotaryEmbedding(_ base: Float, _ scaling: RotaryScaling) -> RotaryEmbedding {
      RotaryEmbedding(headWidth: shape.headWidth, base: base, scaling: scaling)
    }
    let turns = shape.positions == .rotary
    rotary = turns ? rotaryEmbedding(shape.rotaryBase, shape.rotaryScaling) : nil
    windowRotary = turns ? shape.windowRotaryBase.map { rotaryEmbedding($0, .none) } : nil
  }

  /// The parameters by the names of the properties; the tables of positions are none.
  public func visitParameters(_ visitor: ModuleVisitor) {
    visitor.visit("embedding", embedding)
    visitor.visit("projectIn", projectIn)
    visitor.visit("positions", positions)
    visitor.visit("tokenTypes", tokenTypes)
    visitor.visit("embeddingNorm", embeddingNorm)
    visitor.visit("blocks", blocks)
    visitor.visit("finalNorm", finalNorm)
    visitor.visit("projectOut", projectOut)
  }

  /// The states after the last norm, [R × D] (or the embedding's width).
  func states(
    _ tokens: Tensor<Int32>,
    positions rows: [Int32],
    tokenTypes types: Tensor<Int32>? = nil,
    sequences: ForwardPass.Sequences,
    observe: ModelObserver?
  ) -> Variable {
    let pass = pass(sequences, positions: rows, observe: observe)
    var x = embedded(tokens, rows, types)
    observe?(.stream(depth: 0), x)
    let decodedCount = decode(&x, pass)
    for (index, block) in blocks.enumerated().dropFirst(decodedCount) {
      x =
        isRecomputed(block, x, pass)
        ? checkpointed(x) { block($0, pass, depth: index) } : block(x, pass, depth: index)
      observe?(.stream(depth: index + 1), x)
    }
    return normalized(x)
  }

  /// Sends a few rows through the blocks that take them at once, from the first one on.
  ///
  /// - Returns: how many blocks these were.
  private func decode(_ x: inout Variable, _ pass: ForwardPass) -> Int {
    guard !x.isFollowed, pass.isDecoding else { return 0 }
    var (stream, count) = (x.value, 0)
    while count < blocks.count, blocks[count].decode(&stream, pass, block: count) { count += 1 }
    x = Variable(stream)
    return count
  }

  /// Whether the backward pass, which must have a reason to come by, runs a block again.
  private func isRecomputed(
    _ block: TransformerBlock,
    _ x: Variable,
    _ pass: ForwardPass
  ) -> Bool {
    guard recomputesBlocks, pass.observe == nil, case .whole = pass.sequences else { return false }
    return x.isFollowed || block.parameters().contains(where: \.isTrainable)
  }

  /// What the rows of a forward pass share.
  func pass(
    _ sequences: ForwardPass.Sequences,
    positions: [Int32],
    observe: ModelObserver? = nil
  ) -> ForwardPass {
    ForwardPass(
      sequences,
      positions: positions,
      rotary: rotary,
      windowRotary: windowRotary,
      observe: observe
    )
  }

  /// The states after the last norm, of those behind the last block.
  func normalized(_ x: Variable) -> Variable {
    let x = finalNorm.map { $0(x) } ?? x
    return projectOut.map { $0(x) } ?? x
  }

  /// The states in front of the first block; [R × D].
  func embedded(
    _ tokens: Tensor<Int32>,
    _ rows: [Int32],
    _ types: Tensor<Int32>? = nil
  ) -> Variable {
    var x = embedding.embedding(of: tokens)  // [R × E]
    if configuration.embeddingScale != 1 { x = x * configuration.embeddingScale }
    if let projectIn { x = projectIn(x) }
    if let positions, case .learned(let offset) = configuration.positions {
      x = x + positions(Tensor(rows.map { $0 + Int32(offset) }, shape: [rows.count]))
    }
    if let tokenTypes { x = x + tokenTypes(types ?? .zeros(tokens.shape)) }
    return embeddingNorm.map { $0(x) } ?? x
  }
}
