import Autograd
import Tensor

/// What a block became.
struct QuantizedBlock {
  /// A layer and its codes.
  struct Layer {
    var path: String
    var matrix: QuantizedMatrix
    /// What its inputs are rounded to; nil for nothing.
    var inputQuantizer: TensorQuantizer?
  }

  var report: BlockReport
  var layers: [Layer] = []
  /// Tensors that are no codes and have changed, by their paths: norms and biases behind a folding.
  var changed: [(path: String, value: Tensor<Float>)] = []
}

/// The quantization of one block.
struct BlockRun {
  /// Told how much of the block is done; false stops.
  typealias Progress = (_ stage: String, _ fraction: Double) -> Bool

  let settings: BlockQuantizerSettings
  let index: Int
  let block: any StackedBlock
  /// The name in the checkpoint of a layer of this block.
  let name: (_ path: String) -> String
  /// What the original blocks before this one make.
  let original: Tensor<Float>
  /// What the quantized blocks before this one make.
  let quantized: Tensor<Float>
  /// What the original block makes of `original`.
  let targets: Tensor<Float>
  /// What the last block is learned against, if not the squared error.
  let loss: Reconstruction.Loss?
  let progress: Progress

  private var inputs: Tensor<Float> { settings.prefix == .quantized ? quantized : original }
  private var observation: LayerObservation {
    LayerObservation(block: block, batchSize: settings.batchSize)
  }

  /// Rounds the layers, which stay in the block.
  func run() throws -> QuantizedBlock {
    var result = QuantizedBlock(report: BlockReport(block: index))
    try smooth(&result)
    let quantizers = try inputQuantizers()
    switch settings.method {
    case .nearest, .gptq, .adaDim:
      try round(quantizers, &result)
    case .learned(let method, let reconstruction):
      do {
        try learn(method, reconstruction, quantizers, &result)
      } catch QuantizationError.notFinite(let layer, let row) {
        throw QuantizationError.notFinite(layer: name(layer), row: row)
      }
    }
    return result
  }

  private func scheme(_ path: String) -> WeightScheme? { settings.scheme(of: name(path)) }

  private func check(_ stage: String, _ fraction: Double) throws(QuantizationError) {
    guard progress(stage, fraction) else { throw .cancelled }
  }

  // MARK: - Before rounding

  /// Moves outliers from the inputs of layers behind norms into their weights.
  private func smooth(_ result: inout QuantizedBlock) throws {
    guard let smoothing = settings.smoothing else { return }
    let parameters = block.namedParameters()
    for group in block.normedLayers {
      guard let first = group.layers.first else { continue }
      var maxima: Tensor<Float>?
      try observation.run([first], over: inputs) { _, inputs in
        let found = SmoothQuant.channelMaxima(of: inputs)
        maxima = maxima.map { select(found .> $0, found, $0) } ?? found
      }
      guard let maxima else { continue }
      let layers = group.layers.compactMap { path in block.layer(at: path).map { (path, $0) } }
      let weights = layers.map { $0.1.weight }
      let factors = smoothing.scales(activationMaxima: maxima, weights: weights)
      group.divide(by: factors)
      for ((path, layer), weight) in zip(layers, weights) {
        let folded = smoothing.folded(weight: weight, by: factors)
        try block.replaceLayer(
          at: path,
          with: FrozenLinear(weight: .float32(folded), bias: layer.biasVector)
        )
        if scheme(path) == nil { result.changed.append((path + ".weight", folded)) }
      }
      for parameter in [group.scale, group.shift].compactMap({ $0 }) {
        guard let named = parameters.first(where: { $0.parameter === parameter }) else { continue }
        result.changed.append((named.name, parameter.value))
      }
    }
  }

  /// What stands before each quantized layer.
  private func inputQuantizers() throws -> [String: any ActivationQuantizer] {
    guard let activations = settings.activations else { return [:] }
    let paths = block.namedLinearLayers().map(\.name).filter { scheme($0) != nil }
    switch activations.sharing {
    case .token:
      return Dictionary(
        uniqueKeysWithValues: paths.map { ($0, TokenQuantizer(bits: activations.bits)) }
      )
    case .tensor:
      var ranges: [String: (minimum: Float, maximum: Float)] = [:]
      try observation.run(paths, over: inputs) { path, inputs in
        let found = inputs.extrema()
        let range = ranges[path] ?? found
        ranges[path] = (min(range.minimum, found.minimum), max(range.maximum, found.maximum))
      }
      return ranges.mapValues { range in
        TensorQuantizer(minimum: range.minimum, maximum: range.maximum, bits: activations.bits)
      }
    }
  }

  // MARK: - Rounding layer by layer

  private func round(
    _ quantizers: [String: any ActivationQuantizer],
    _ result: inout QuantizedBlock
  ) throws {
    let stages = try observation.stages(inputs[0..<1])
    let all = stages.flatMap { $0 }
    for (place, stage) in stages.enumerated() {
      try check(stage.joined(separator: ", "), Double(place) / Double(stages.count))
      let layers = stage.filter { scheme($0) != nil }
      guard let first = layers.first else { continue }
      var hessian: CalibrationHessian?
      if settings.method != .nearest {
        let later = Set(all.suffix(from: all.firstIndex(of: stage[0]) ?? 0))
        var sum = CalibrationHessian(width: block.layer(at: first)?.inputWidth ?? 0)
        try observation.run([first], skipping: later, over: inputs) { _, inputs in sum.add(inputs) }
        hessian = sum
      }
      for path in layers {
        try round(path, hessian, quantizers[path], &result)
        try check(path, Double(place) / Double(stages.count))
      }
    }
    try roundConvolutions(&result)
    // Execution order is the order of calls; the report keeps the block's own.
    let order = block.namedLinearLayers().map { name($0.name) }
    result.report.layers.sort { a, b in
      (order.firstIndex(of: a.name) ?? .max) < (order.firstIndex(of: b.name) ?? .max)
    }
  }

  private func round(
    _ path: String,
    _ hessian: CalibrationHessian?,
    _ quantizer: (any ActivationQuantizer)?,
    _ result: inout QuantizedBlock
  ) throws {
    guard let layer = block.layer(at: path), let scheme = scheme(path) else { return }
    let start = ContinuousClock.now
    let (weight, name) = (layer.weight, name(path))
    let nearest = try RoundToNearest(scheme).quantize(weight, layer: name).matrix
    var rounded = (matrix: nearest, gptq: GPTQ.Report?.none, errors: [String: Double]?.none)
    switch settings.method {
    case .nearest, .learned: break
    case .gptq(let method):
      guard let hessian else { throw QuantizationError.missingCalibration(layer: name) }
      let found = try method.quantize(weight, hessian: hessian, scheme: scheme, layer: name)
      rounded.matrix = found.matrix
      rounded.gptq = found.report
    case .adaDim(let base, let selection):
      guard let hessian else { throw QuantizationError.missingCalibration(layer: name) }
      let choice = try AdaDim(scheme, base: base, selection: selection).quantize(
        weight,
        hessian: hessian,
        layer: name
      ) { candidate in
        hessian.relativeError(of: candidate, for: weight)
      }
      rounded.matrix = choice.matrix
      rounded.gptq = choice.report
      rounded.errors = Dictionary(
        uniqueKeysWithValues: choice.errors.map { ($0.granularity.name, $0.error) }
      )
    }
    let reference =
      rounded.matrix.scheme == nearest.scheme
      ? nearest : try RoundToNearest(rounded.matrix.scheme).quantize(weight, layer: name).matrix
    let values = rounded.matrix.dequantized()
    var report = BlockReport.Layer(
      name: name,
      matrix: rounded.matrix,
      meanSquaredError: Double((values - weight).square().mean()),
      meanSquare: Double(weight.square().mean()),
      movement: CodeMovement(rounded.matrix, from: reference, weight: weight),
      histogram: WeightHistogram(weight, values)
    )
    report.gptq = rounded.gptq
    report.candidateErrors = rounded.errors
    report.relativeOutputError = hessian?.relativeError(of: values, for: weight)
    report.seconds = (ContinuousClock.now - start).seconds
    result.report.layers.append(report)
    let packed = PackedLinear(
      weight: rounded.matrix,
      bias: layer.biasVector,
      inputQuantizer: quantizer
    )
    try block.replaceLayer(at: path, with: packed)
    result.layers.append(
      .init(
        path: path,
        matrix: rounded.matrix,
        inputQuantizer: quantizer as? TensorQuantizer
      )
    )
  }

  private func roundConvolutions(_ result: inout QuantizedBlock) throws {
    for case (let path, let layer as Conv2d) in block.namedConvolutionLayers() {
      guard let scheme = scheme(path) else { continue }
      let name = name(path)
      guard settings.method == .nearest else {
        throw QuantizationError.invalidScheme(
          "'\(name)' is a convolution, which \(settings.method.name.rawValue) does not round; choose "
            + "rtn or flexround"
        )
      }
      let start = ContinuousClock.now
      let shape = layer.weight.shape
      let weight = layer.weight.value.reshaped(to: [shape[0], shape.count / max(shape[0], 1)])
      let (matrix, error) = try RoundToNearest(scheme).quantize(weight, layer: name)
      var report = BlockReport.Layer(
        name: name,
        matrix: matrix,
        meanSquaredError: error,
        meanSquare: Double(weight.square().mean()),
        movement: CodeMovement(matrix, from: matrix, weight: weight),
        histogram: WeightHistogram(weight, matrix.dequantized())
      )
      report.shape = shape
      report.seconds = (ContinuousClock.now - start).seconds
      result.report.layers.append(report)
      let packed = PackedConv2d(
        weight: matrix,
        kernelShape: shape,
        bias: layer.bias?.value,
        options: layer.options
      )
      try block.replaceLayer(at: path, with: packed)
      result.layers.append(.init(path: path, matrix: matrix))
    }
  }

  // MARK: - Learned rounding

  private func learn(
    _ method: LearnedRoundingMethod,
    _ settings: ReconstructionSettings,
    _ quantizers: [String: any ActivationQuantizer],
    _ result: inout QuantizedBlock
  ) throws {
    let start = ContinuousClock.now
    var settings = settings
    settings.seed = self.settings.seed &* 1_000_003 &+ UInt64(index)
    let drops = settings.quantizedInputProbability < 1
    let draws = Philox(seed: settings.seed).fork(3)
    var dropping: [String: any ActivationQuantizer] = [:]
    for (number, path) in quantizers.keys.sorted().enumerated() {
      guard self.settings.learnsWithActivations, let quantizer = quantizers[path] else { continue }
      dropping[path] =
        drops
        ? DroppingQuantizer(
          quantizer,
          probability: settings.quantizedInputProbability,
          generator: draws.fork(number)
        ) : quantizer
    }
    let outcome = try Reconstruction(settings).run(
      block,
      rounding: LayerRounding(
        method: method,
        inputQuantizer: { dropping[$0] },
        scheme: scheme
      ),
      inputs: inputs,
      originals: drops ? original : nil,
      targets: targets,
      forward: { block($0) },
      loss: loss
    ) { state in
      progress(
        "step \(state.step) of \(state.steps), loss \(state.loss)",
        Double(state.step) / Double(state.steps)
      )
    }
    result.report.reconstruction = outcome.report
    if loss != nil { result.report.loss = self.settings.lastBlockLoss }
    let errors = try outputErrors(outcome.layers)
    let seconds = (ContinuousClock.now - start).seconds / Double(max(outcome.layers.count, 1))
    for layer in outcome.layers {
      let name = name(layer.name)
      if let packed = block.layer(at: layer.name) as? PackedLinear {
        packed.inputQuantizer = quantizers[layer.name]
      }
      var report = BlockReport.Layer(
        name: name,
        matrix: layer.weight,
        meanSquaredError: layer.meanSquaredError,
        meanSquare: layer.meanSquare,
        movement: layer.movement,
        histogram: layer.histogram
      )
      report.shape = layer.shape
      report.relativeOutputError = errors[layer.name]
      report.seconds = seconds
      result.report.layers.append(report)
      result.layers.append(
        .init(
          path: layer.name,
          matrix: layer.weight,
          inputQuantizer: quantizers[layer.name] as? TensorQuantizer
        )
      )
    }
  }

  /// ‖X (W − Ŵ)ᵀ‖² / ‖X Wᵀ‖² of the linear layers by their paths, on what they read in the packed block.
  private func outputErrors(_ layers: [ModuleReconstruction.Layer]) throws -> [String: Double] {
    let linear = layers.filter { $0.original.rank == 2 }
    let changes = Dictionary(
      uniqueKeysWithValues: linear.map { layer in
        let weight = layer.original
        return (layer.name, (weight, weight - layer.weight.dequantized()))
      }
    )
    var sums: [String: (error: Double, output: Double)] = [:]
    let samples = inputs[0..<min(inputs.shape[0], Self.outputErrorSamples)]
    try observation.run(linear.map(\.name), over: samples) { path, inputs in
      guard let (weight, change) = changes[path] else { return }
      func power(_ weight: Tensor<Float>) -> Double {
        Double(inputs.matmul(weight.transposed()).square().mean()) * Double(inputs.shape[0])
      }
      let sum = sums[path] ?? (0, 0)
      sums[path] = (sum.error + power(change), sum.output + power(weight))
    }
    return sums.mapValues { $0.output > 0 ? $0.error / $0.output : 0 }
  }

  /// The samples on which `outputErrors` looks: a report needs no more, and all take a pass more.
  private static let outputErrorSamples = 32
}

extension LinearLayer {
  /// W [N × K] as floats.
  var weight: Tensor<Float> { weightRows((0..<Int32(outputWidth)).map { $0 }) }
}

extension AdaDim {
  /// The method for a scheme in groups, whose size is that of both layouts whichever of them the scheme
  /// has.
  init(
    _ scheme: WeightScheme,
    base: Base,
    selection: Selection = .nearest
  ) throws(QuantizationError) {
    let size: Int
    switch scheme.granularity {
    case .inputGroups(let count), .outputGroups(let count): size = count
    case .tensor, .outputChannel:
      throw .invalidScheme(
        "AdaDim chooses between groups of inputs and of outputs: set a group size, as W3G64 does"
      )
    }
    self.init(
      grid: scheme.grid,
      groupSize: size,
      base: base,
      selection: selection,
      scaleType: scheme.scaleType,
      range: scheme.range
    )
  }
}

extension Granularity {
  /// A name for reports.
  var name: String {
    switch self {
    case .tensor: "tensor"
    case .outputChannel: "channel"
    case .inputGroups(let size): "inputs of \(size)"
    case .outputGroups(let size): "outputs of \(size)"
    }
  }
}

extension BlockReport.Layer {
  init(
    name: String,
    matrix: QuantizedMatrix,
    meanSquaredError: Double,
    meanSquare: Double,
    movement: CodeMovement,
    histogram: WeightHistogram
  ) {
    self.name = name
    shape = matrix.shape
    scheme = matrix.scheme
    self.meanSquaredError = meanSquaredError
    relativeError = meanSquare > 0 ? meanSquaredError / meanSquare : 0
    stepSizes = StepSizeStatistics(matrix.stepSizes)
    self.movement = movement
    self.histogram = histogram
    byteCount = matrix.byteCount
    seconds = 0
  }
}
