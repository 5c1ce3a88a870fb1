import Autograd
import Foundation
package import Quantization
import Support
import Tensor
package import Transformer

/// How a model that is opened to be used computes its linear maps.
package enum Computation: Hashable, Sendable {
  /// In floats: what is packed becomes floats before it is multiplied.
  case exact
  /// Straight from low-bit codes, inputs rounded to 8 bits where the relative error of that
  /// is within the tolerance, to more where it is not. What has no codes is computed in floats.
  case packed(tolerance: Float)

  /// From codes, with the tolerance that 8 bits meet for nearly all inputs.
  package static let packed = Computation.packed(tolerance: InterleavedLinear.usualTolerance)
}

extension ModelFile {
  /// The model with its weights, to be read from: to write, to converse, to be measured.
  ///
  /// Every program that computes with a model and leaves its weights as they are opens it here. What
  /// compares models with others' numbers stays `exact`; what is used is `packed`.
  ///
  /// - Parameters:
  ///   - computation: how linear maps are computed.
  ///   - adapter: what the model was tuned to; nil for the model alone.
  ///   - cache: how keys and values are cached; nil for what the model says.
  /// - Returns: the model.
  /// - Throws: `CommandFailure` where the adapter does not fit; what reading the weights throws.
  package func makeModel(
    _ computation: Computation = .exact,
    adapter: TaskFile? = nil,
    cache: KeyValueCache.Precision? = nil
  ) throws -> DecoderModel {
    let model = try opened(computation, adapter)
    if let cache { model.cachePrecision = cache }
    return model
  }

  private func opened(
    _ computation: Computation,
    _ adapter: TaskFile?
  ) throws -> DecoderModel {
    try pretrained.requireDecoder()
    guard let adapter else { return try model(weights(computation)) }
    switch adapter.content {
    case .scales(let scales):
      do { return try model(tunedTo: scales, computation) } catch let error as ScaleAdapterError {
        throw CommandFailure("\(adapter.path): \(error)")
      }
    case .lowRank:
      let model = try makeModel(computation)
      do { try LowRankAdapterFolder.load(URL(filePath: adapter.place), into: model) } catch {
        throw CommandFailure("\(adapter.path): \(error)")
      }
      return model
    }
  }

  /// The model whose codes several tasks share: each row of a pass may have scales of its own.
  ///
  /// Products come from the codes in floats: their layout for 8-bit inputs holds one task's scales.
  ///
  /// - Parameter cache: how keys and values are cached; nil for what the model says.
  /// - Returns: the model, and what its tasks are added to; nil for a model in floating point.
  /// - Throws: what reading the weights throws.
  package func makeSharedModel(
    cache: KeyValueCache.Precision? = nil
  ) throws -> (model: DecoderModel, layers: ScaleTunedLayers)? {
    guard packedWeights != nil else { return nil }
    let model = try makeModel(.exact, cache: cache)
    func isInBlock(_ path: String) -> Bool { path.hasPrefix("blocks.") }
    if let binaryPlaneCount {
      // All planes, so that tasks of any number of them find their place.
      try model.useAlphaTuning(trainedPlanes: binaryPlaneCount, where: isInBlock)
    } else {
      try model.usePEQA(where: isInBlock)
    }
    let names = layerNames
    return (model, try ScaleTunedLayers(of: model) { names[$0] ?? $0 })
  }

  /// The planes of the layers of the blocks; nil where these are no binary codes.
  package var binaryPlaneCount: Int? {
    guard case .own(let settings)? = quantization, settings.method == .binaryCoding else {
      return nil
    }
    return settings.scheme.bits
  }

  /// Where the weights come from.
  private func weights(_ computation: Computation) -> any WeightSource {
    switch computation {
    case .exact: packedWeights ?? DenseWeights(pretrained.catalog)
    case .packed(let tolerance):
      packedWeights.map { InterleavedWeights($0, tolerance: tolerance) }
        ?? BlockWeights(pretrained.catalog, tolerance: tolerance)
    }
  }

  /// The model with the scales of a task in the place of its own.
  private func model(
    tunedTo adapter: ScaleAdapter,
    _ computation: Computation
  ) throws -> DecoderModel {
    guard let packedWeights, let layers = try makeSharedModel()?.layers else {
      throw CommandFailure(
        "\(path) is in floating point, and the adapter holds scales of codes; name the quantized model"
          + (adapter.origin.map { ", which '\($0) --output FOLDER' makes" } ?? "")
      )
    }
    let isBinary = binaryPlaneCount != nil
    guard isBinary == (adapter.method == .alphaTuning) else {
      throw CommandFailure(
        "\(path) holds \(isBinary ? "binary codes, for AlphaTuning" : "codes with step sizes, for PEQA"), "
          + "and the adapter is one of \(isBinary ? "PEQA" : "AlphaTuning"); name the model that it was "
          + "tuned on"
      )
    }
    try layers.load(adapter)
    let replaced = ReplacedLayers(
      source: packedWeights,
      layers: Dictionary(uniqueKeysWithValues: layers.entries.map { ($0.name, $0.layer) })
    )
    guard case .packed(let tolerance) = computation else { return try model(replaced) }
    return try model(InterleavedWeights(replaced, tolerance: tolerance))
  }

  private func model(_ weights: any WeightSource) throws -> DecoderModel {
    let model = try DecoderModel(pretrained.configuration, weights: weights)
    model.cachePrecision = cachePrecision
    return model
  }

  /// How keys and values are cached, as the model says.
  package var cachePrecision: KeyValueCache.Precision {
    guard case .own(let configuration) = quantization, configuration.keyValueBits == 8 else {
      return .float
    }
    return .eightBits
  }
}

/// A source some of whose layers are others.
private struct ReplacedLayers: WeightSource {
  let source: any WeightSource
  let layers: [String: any LinearLayer]

  func contains(_ name: String) -> Bool { source.contains(name) }

  func tensor(_ name: String, shape: Shape) throws -> Tensor<Float> {
    try source.tensor(name, shape: shape)
  }

  func linear(
    _ name: String,
    outputWidth: Int,
    inputWidth: Int,
    hasBias: Bool
  ) throws -> any LinearLayer {
    if let layer = layers[name] { return layer }
    return try source.linear(
      name,
      outputWidth: outputWidth,
      inputWidth: inputWidth,
      hasBias: hasBias
    )
  }

  func parameter(_ name: String, shape: Shape, initial: Initializer) throws -> Parameter {
    try source.parameter(name, shape: shape, initial: initial)
  }
}
