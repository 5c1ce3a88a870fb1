public import Autograd
public import Tensor

/// What became of a module's layers in a reconstruction.
public struct ModuleReconstruction {
  /// One rounded layer.
  public struct Layer {
    /// The path in the module.
    public let name: String
    /// The codes that were left.
    public let weight: QuantizedMatrix
    /// The original weight, [N × K] or [O × I × kH × kW].
    public let original: Tensor<Float>
    /// The shape of the original weight.
    public var shape: Shape { original.shape }
    /// The mean of (ŵ − w)².
    public let meanSquaredError: Double
    /// The mean of w².
    public let meanSquare: Double
    /// Where the codes went.
    public let movement: CodeMovement
    /// How the weights are spread, before and after.
    public let histogram: WeightHistogram
  }

  /// How the training went.
  public let report: ReconstructionReport
  /// The rounded layers in execution order; others are as they were, to the bit.
  public let layers: [Layer]
}

/// How the layers of a module are rounded.
public struct LayerRounding {
  /// What is learned.
  public var method: LearnedRoundingMethod
  /// The scheme of each layer by its path; nil leaves a layer as it is.
  public var scheme: (_ path: String) -> WeightScheme?
  /// What stands before each layer, by its path; nil for nothing.
  public var inputQuantizer: (_ path: String) -> (any ActivationQuantizer)?

  /// A method with a scheme for each layer.
  public init(
    method: LearnedRoundingMethod,
    inputQuantizer: @escaping (_ path: String) -> (any ActivationQuantizer)? = { _ in nil },
    scheme: @escaping (_ path: String) -> WeightScheme?
  ) {
    self.method = method
    self.scheme = scheme
    self.inputQuantizer = inputQuantizer
  }

  /// A method with one scheme for all layers.
  public init(method: LearnedRoundingMethod, scheme: WeightScheme) {
    self.init(method: method) { _ in scheme }
  }
}

extension Reconstruction {
  /// Trains the rounding of all linear layers and convolutions of a module together, and leaves
  /// packed layers in their places.
  ///
  /// The module publishes its layers as key paths (`LinearLayerOwner`); it may be a layer stack or a
  /// model's block. Norms, biases and everything else stay as they are, and behave as in use (`eval()`)
  /// from here on. On an error the layers are as they were.
  ///
  /// - Parameters:
  ///   - module: what is quantized.
  ///   - rounding: how.
  ///   - inputs: the samples as the quantized path brings them.
  ///   - originals: the samples as the original path brings them, for QDrop.
  ///   - targets: what the original module makes of the original samples.
  ///   - forward: the module's function, nothing else's.
  ///   - loss: what is made small; the squared error by default.
  ///   - progress: told after each step; return false to stop.
  /// - Returns: what happened.
  /// - Throws: `QuantizationError`.
  public func run(
    _ module: any Module,
    rounding: LayerRounding,
    inputs: Tensor<Float>,
    originals: Tensor<Float>? = nil,
    targets: Tensor<Float>,
    forward: @escaping (Variable) -> Variable,
    loss: Loss? = nil,
    progress: (Progress) -> Bool = { _ in true }
  ) throws -> ModuleReconstruction {
    let frozen = module.namedParameters().map(\.parameter).filter(\.isTrainable)
    for parameter in frozen { parameter.isTrainable = false }
    defer { for parameter in frozen { parameter.isTrainable = true } }
    var places = RoundedPlaces()
    do {
      var generator = Philox(seed: settings.seed).fork(2)
      try places.fill(module, rounding, using: &generator)
      module.eval()
      let dropping = module.namedModules().compactMap { $0.module as? DroppingQuantizer }
      let soft = places.roundings.compactMap { $0 as? any TrainingDependent }
      let report = try run(
        places.parameters,
        inputs: inputs,
        originals: originals,
        targets: targets,
        forward: forward,
        loss: loss,
        penalty: places.penalty,
        willTrain: { isTraining in
          for quantizer in dropping { quantizer.isTraining = isTraining }
          for rounding in soft { rounding.isTraining = isTraining }
        },
        progress: progress
      )
      module.eval()
      return ModuleReconstruction(report: report, layers: try places.pack(module))
    } catch {
      try places.restore(module)
      throw error
    }
  }
}

/// The places of a module whose layers are rounded, and what stood there.
private struct RoundedPlaces {
  private var linear: [(path: String, original: any LinearLayer, rounded: RoundedLinear)] = []
  private var convolutions: [(path: String, original: Conv2d, rounded: RoundedConv2d)] = []

  var parameters: [Parameter] {
    linear.flatMap { $0.rounded.parameters() } + convolutions.flatMap { $0.rounded.parameters() }
  }

  var roundings: [any LearnedRounding] {
    linear.map(\.rounded.rounding) + convolutions.map(\.rounded.rounding)
  }

  /// What all layers together add to the loss.
  func penalty(at share: Float) -> Variable? {
    roundings.compactMap { $0.penalty(at: share) }.reduce(nil) { sum, penalty in
      sum.map { $0 + penalty } ?? penalty
    }
  }

  mutating func fill(
    _ module: any Module,
    _ rounding: LayerRounding,
    using generator: inout Philox
  ) throws {
    for (path, layer) in module.namedLinearLayers() {
      guard let scheme = rounding.scheme(path) else { continue }
      let weight = layer.weightRows((0..<Int32(layer.outputWidth)).map { $0 })
      let rounded = RoundedLinear(
        try rounding.method(weight, scheme: scheme, layer: path, using: &generator),
        bias: layer.biasVector,
        inputQuantizer: rounding.inputQuantizer(path)
      )
      try module.replaceLayer(at: path, with: rounded)
      linear.append((path, layer, rounded))
    }
    for case (let path, let layer as Conv2d) in module.namedConvolutionLayers() {
      guard let scheme = rounding.scheme(path) else { continue }
      let rounded = RoundedConv2d(
        try rounding.method(layer.weight.value, scheme: scheme, layer: path, using: &generator),
        bias: layer.bias?.value,
        options: layer.options,
        inputQuantizer: rounding.inputQuantizer(path)
      )
      try module.replaceLayer(at: path, with: rounded)
      convolutions.append((path, layer, rounded))
    }
  }

  func restore(_ module: any Module) throws {
    for place in linear { try module.replaceLayer(at: place.path, with: place.original) }
    for place in convolutions { try module.replaceLayer(at: place.path, with: place.original) }
  }

  /// Puts packed layers in the places.
  func pack(_ module: any Module) throws -> [ModuleReconstruction.Layer] {
    var layers: [ModuleReconstruction.Layer] = []
    for place in linear {
      let packed = place.rounded.packed()
      layers.append(Self.layer(place.path, packed.weight, place.rounded.rounding))
      try module.replaceLayer(at: place.path, with: packed)
    }
    for place in convolutions {
      let packed = place.rounded.packed()
      layers.append(Self.layer(place.path, packed.weight, place.rounded.rounding))
      try module.replaceLayer(at: place.path, with: packed)
    }
    return layers
  }

  private static func layer(
    _ path: String,
    _ matrix: QuantizedMatrix,
    _ rounding: any LearnedRounding
  ) -> ModuleReconstruction.Layer {
    let weight = rounding.weight.reshaped(to: matrix.shape)
    let rounded = matrix.dequantized()
    return ModuleReconstruction.Layer(
      name: path,
      weight: matrix,
      original: rounding.weight,
      meanSquaredError: Double((rounded - weight).square().mean()),
      meanSquare: Double(weight.square().mean()),
      movement: CodeMovement(
        matrix,
        from: rounding.nearest(),
        weight: weight,
        logScales: rounding.logScales()
      ),
      histogram: WeightHistogram(weight, rounded)
    )
  }
}

extension LinearLayer {
  /// b, or nil where it is zero.
  var biasVector: Tensor<Float>? {
    switch self {
    case let layer as Linear: return layer.bias?.value
    case let layer as FrozenLinear: return layer.bias
    default:
      // What the layer makes of zeros.
      let bias = self(Tensor<Float>.zeros([1, inputWidth])).reshaped(to: [outputWidth])
      return bias.abs().max() == 0 ? nil : bias
    }
  }
}
