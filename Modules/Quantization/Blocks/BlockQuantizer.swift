public import Autograd
public import Tensor

/// Quantizes a model block by block: one block is in memory at a time, so the model may be larger
/// than memory.
///
///     X₀ = X̂₀ = embedding(samples)
///     X_{l+1} = Block_l(X_l)                         the target
///     round the layers of Block_l on X̂_l             by any method
///     X̂_{l+1} = roundedBlock_l(X̂_l)
///
/// The states of two paths, X and X̂, lie in files that are mapped. Each finished block goes to the
/// work folder at once: a run that was killed goes on behind the last finished block, and ends with
/// the same bits as one that was not.
///
///     let settings = BlockQuantizerSettings(method: .learned(.flexRound()), scheme: scheme)
///     let blocks = try BlockQuantizer(settings).run(stack, samples: ids, in: "work")
///
/// - Source: Lee et al. 2023 (FlexRound), section 4, and the official code (quantized prefix, targets
///   of the original prefix); Frantar et al. 2023 (GPTQ) for layers in the order of their inputs.
/// - Deviation: AdaDim compares the errors at each layer's own output (its equation 1), on what the
///   quantized blocks in front make; its official code judges queries, keys and values at the output of
///   the attention, gate and up at that of the MLP, all on what the original blocks make
///   (`BlockQuantizerSettings.Prefix.original`).
/// - Complexity: two forward passes over the samples for each block, and the method's own work: for GPTQ
///   and AdaDim one and a half more, for learned rounding steps · batch samples forward and backward.
public struct BlockQuantizer: Sendable {
  /// How far a run is.
  public struct Progress: Sendable {
    /// The block at work; the number of blocks at the end.
    public var block: Int
    /// All blocks.
    public var blockCount: Int
    /// What is being done.
    public var stage: String
    /// The share of the block that is done.
    public var fraction: Double
    /// The block that was just finished.
    public var report: BlockReport?
  }

  /// How blocks are quantized.
  public let settings: BlockQuantizerSettings

  /// A quantizer.
  public init(_ settings: BlockQuantizerSettings) { self.settings = settings }

  /// Quantizes the blocks of a model into a work folder.
  ///
  /// - Parameters:
  ///   - stack: the model in full precision.
  ///   - samples: the calibration set, [S × …], not empty.
  ///   - folder: the work folder: new, or that of the same run.
  ///   - progress: told often; return false to stop, which keeps the finished blocks.
  /// - Returns: the quantized blocks.
  /// - Throws: `QuantizationError`: `.emptyCalibration`, `.invalidScheme` for a granularity in which the
  ///   method does not work, `.foreignWork` for a folder that holds something else, `.notFiniteStates` for
  ///   a model that makes NaN of a sample, `.cancelled`, and the methods' own; `CheckpointError` for the
  ///   disk.
  public func run<Stack: BlockStack>(
    _ stack: Stack,
    samples: Tensor<Stack.Element>,
    in folder: String,
    progress: (Progress) -> Bool = { _ in true }
  ) throws -> QuantizedBlocks {
    guard samples.rank > 0, samples.shape[0] > 0 else { throw QuantizationError.emptyCalibration }
    for scheme in [settings.scheme] + settings.exceptions.compactMap(\.scheme) {
      try settings.method.name.check(scheme)
    }
    let work = try BlockWork(folder, settings, stack, samples)
    if work.finishedCount == 0 { try begin(work, stack, samples) }
    for index in work.finishedCount..<stack.blockCount {
      func tell(_ stage: String, _ fraction: Double, _ report: BlockReport? = nil) -> Bool {
        progress(
          Progress(
            block: report == nil ? index : index + 1,
            blockCount: stack.blockCount,
            stage: stage,
            fraction: report == nil ? fraction : 0,
            report: report
          )
        )
      }
      let report = try withoutActuallyEscaping(tell) { tell in
        try finish(index, work, stack) { tell($0, $1, nil) }
      }
      guard tell("", 1, report) || index == stack.blockCount - 1 else {
        throw QuantizationError.cancelled
      }
    }
    return try QuantizedBlocks(folder)
  }

  /// Writes the states in front of the first block.
  private func begin<Stack: BlockStack>(
    _ work: BlockWork,
    _ stack: Stack,
    _ samples: Tensor<Stack.Element>
  ) throws {
    let count = samples.shape[0]
    for path in [work.originalPath(0), work.quantizedPath(0)] {
      try StatesFile.write(to: path, count: count, batchSize: settings.batchSize) { range in
        let states = try stack.embedding(samples[range])
        return try Self.checked(states, from: range.lowerBound, behind: "the embedding")
      }
    }
  }

  private func finish<Stack: BlockStack>(
    _ index: Int,
    _ work: BlockWork,
    _ stack: Stack,
    _ progress: @escaping BlockRun.Progress
  ) throws -> BlockReport {
    let start = ContinuousClock.now
    let block = try stack.block(index)
    block.freeze()
    block.eval()
    func name(_ path: String) -> String {
      let tensor = stack.checkpointName(of: path + ".weight", inBlock: index)
      return tensor.hasSuffix(".weight") ? String(tensor.dropLast(7)) : tensor
    }
    let original = try StatesFile.read(work.originalPath(index))
    let quantized = try StatesFile.read(work.quantizedPath(index))
    let targets: Tensor<Float>
    do {
      let path = work.originalPath(index + 1)
      targets = try states(block, original, "block \(index)", to: path, progress)
    } catch let error as QuantizationError {
      if case .notFiniteStates = error { try Self.checkWeights(of: block, name) }
      throw error
    }
    let run = BlockRun(
      settings: settings,
      index: index,
      block: block,
      name: name,
      original: original,
      quantized: quantized,
      targets: targets,
      loss: index == stack.blockCount - 1 ? try lastBlockLoss(stack, targets) : nil,
      progress: progress
    )
    var result = try run.run()
    block.eval()
    let path = work.quantizedPath(index + 1)
    let outputs = try states(block, quantized, "the quantized block \(index)", to: path, progress)
    let error = StatesFile.meanSquares(outputs, targets)
    result.report.meanSquaredError = error.difference
    result.report.relativeError = error.target > 0 ? error.difference / error.target : 0
    result.report.seconds = (ContinuousClock.now - start).seconds
    try work.save(result) { stack.checkpointName(of: $0, inBlock: index) }
    return result.report
  }

  /// Writes what a block makes of states, and reads it back as a view of the file.
  private func states(
    _ block: any StackedBlock,
    _ input: Tensor<Float>,
    _ place: String,
    to path: String,
    _ progress: BlockRun.Progress
  ) throws -> Tensor<Float> {
    let count = input.shape[0]
    try StatesFile.write(to: path, count: count, batchSize: settings.batchSize) { range in
      guard progress("states", 0) else { throw QuantizationError.cancelled }
      let states = withoutGradients { block(Variable(input[range])).value }
      return try Self.checked(states, from: range.lowerBound, behind: place)
    }
    return try StatesFile.read(path)
  }

  /// Refuses states that no method could learn from, before it is asked to.
  private static func checked(
    _ states: Tensor<Float>,
    from first: Int,
    behind place: String
  ) throws(QuantizationError) -> Tensor<Float> {
    let isBad = states.withUnsafeElements { !$0.allSatisfy(\.isFinite) }
    guard isBad else { return states }
    let sample = (0..<states.shape[0]).first { index in
      states[index].withUnsafeElements { !$0.allSatisfy(\.isFinite) }
    }
    throw .notFiniteStates(place: place, sample: first + (sample ?? 0))
  }

  /// Names the layer whose weights are no numbers, where one is to blame.
  private static func checkWeights(
    of block: any StackedBlock,
    _ name: (_ path: String) -> String
  ) throws(QuantizationError) {
    for (path, layer) in block.namedLinearLayers() {
      let weight = layer.weight
      let bad = (0..<weight.shape[0]).first { row in
        weight[row].withUnsafeElements { !$0.allSatisfy(\.isFinite) }
      }
      if let bad { throw .notFinite(layer: name(path), row: bad) }
    }
  }

  /// The divergence of the head's distributions.
  private func lastBlockLoss<Stack: BlockStack>(
    _ stack: Stack,
    _ targets: Tensor<Float>
  ) throws -> Reconstruction.Loss? {
    guard settings.lastBlockLoss == .crossEntropy else { return nil }
    _ = try stack.head(Variable(targets[0..<1]))  // Errors show here, not in the midst of a step.
    return { output, target in
      func logits(_ states: Variable) -> Variable {
        guard let logits = try? stack.head(states) else { return states }
        return logits.reshaped(to: [logits.count / logits.shape[-1], logits.shape[-1]])
      }
      let expected = withoutGradients { logits(Variable(target)).logSoftmax().value }
      return klDivergence(logProbabilities: logits(output).logSoftmax(), logTargets: expected)
    }
  }
}
