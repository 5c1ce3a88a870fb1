import Autograd
import Checkpoints
import GUIGrounding
import Quantization
import Support
import Tensor

/// Rounds the linear layers of a native policy to codes.
struct PolicyQuantization {
  let scheme: WeightScheme
  /// The layers that stay in floats, by their own names or those of what they are in.
  let kept: [String]

  /// A policy's codes, and what was done.
  struct Result {
    var codes: [PolicyLayerCodes]
    var layers: [QuantizedLayerReport]
    /// What a reader of the codes has to know.
    var document: JSONObject
  }

  /// The codes of all linear layers that are not kept.
  ///
  /// - Throws: `QuantizationError` for weights that are not finite; `CommandFailure` for a name to keep
  ///   that is no layer's, and where nothing is left to round.
  func codes(of policy: NativeGroundingPolicy) throws -> Result {
    let layers = policy.namedLinearLayers()
    if let unknown = kept.first(where: { name in !layers.contains { Self.isIn($0.name, name) } }) {
      let names = layers.map(\.name).joined(separator: ", ")
      throw CommandFailure("keep \(unknown.printable): no layer of that name; there are \(names)")
    }
    var result = Result(
      codes: [],
      layers: [],
      document: QuantizationConfiguration(scheme: scheme).document
    )
    for (name, layer) in layers where !kept.contains(where: { Self.isIn(name, $0) }) {
      guard let layer = layer as? Linear else { continue }
      let weight = layer.weight.value
      let found = try RoundToNearest(scheme).quantize(weight, layer: name)
      let matrix = found.matrix
      result.codes.append(
        PolicyLayerCodes(layer: name, tensors: matrix.declarations(named: name)) { writer in
          try matrix.write(to: writer, named: name)
        }
      )
      let power = Double((weight * weight).mean())
      result.layers.append(
        QuantizedLayerReport(
          name: name,
          outputs: layer.outputWidth,
          inputs: layer.inputWidth,
          relativeError: power > 0 ? found.meanSquaredError / power : 0,
          byteCount: matrix.byteCount
        )
      )
    }
    guard !result.codes.isEmpty else { throw CommandFailure("keep: no layer is left to round") }
    return result
  }

  /// Whether a layer is the one of a name, or lies in what the name means.
  private static func isIn(_ layer: String, _ name: String) -> Bool {
    layer == name || layer.hasPrefix(name + ".")
  }

  /// The policy in a file of codes: its layers compute from them.
  ///
  /// - Throws: `QuantizationError`, `CheckpointError`, `NativePolicyError`.
  static func policy(
    of file: NativePolicyFile,
    _ document: JSONObject
  ) throws -> NativeGroundingPolicy {
    let weights = QuantizedWeights(
      file.tensors,
      configuration: try QuantizationConfiguration(document: document, path: file.path),
      embeddings: [],
      dense: file
    )
    return try NativeGroundingPolicy(file, layers: InterleavedWeights(weights))
  }
}

/// One rounded layer.
struct QuantizedLayerReport: Encodable {
  var name: String
  var outputs: Int
  var inputs: Int
  /// The mean of (ŵ − w)² over that of w².
  var relativeError: Double
  /// The bytes of its codes, scales and zero points.
  var byteCount: Int
}
