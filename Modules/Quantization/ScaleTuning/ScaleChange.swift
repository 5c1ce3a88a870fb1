import Autograd
import Tensor

/// How far the scales of a layer have moved.
public struct ScaleChange: Codable, Hashable, Sendable {
  /// The layer.
  public var layer: String
  /// Its scales.
  public var count: Int
  /// The root of the mean of (s/s₀ − 1)²; scales that were 0 are left out.
  public var rootMeanSquare: Double
  /// The largest |s/s₀ − 1|.
  public var largest: Double
  /// The scales that have another sign than before.
  public var signChanges: Int

  /// The change of scales s₀ to s of the same shape.
  init(_ layer: String, from start: Tensor<Float>, to end: Tensor<Float>) {
    expect(start.shape == end.shape, "scale change: \(start.shape) · \(end.shape)")
    self.layer = layer
    count = start.count
    (largest, signChanges) = (0, 0)
    var (squares, counted) = (0.0, 0)
    for (before, after) in zip(start.elements, end.elements) {
      if before < 0 && after > 0 || before > 0 && after < 0 { signChanges += 1 }
      guard before != 0 else { continue }
      let change = Double(after) / Double(before) - 1
      squares += change * change
      largest = max(largest, abs(change))
      counted += 1
    }
    rootMeanSquare = counted == 0 ? 0 : (squares / Double(counted)).squareRoot()
  }
}

extension ScaleTunedLayers {
  /// How far the scales of each layer have moved from the start, in the order of the names.
  public var changes: [ScaleChange] {
    entries.map {
      ScaleChange($0.name, from: $0.layer.initialScales, to: $0.layer.scales.value)
    }
  }

  /// The median of |s| over all scales that are trained; 0 where there is none.
  public var medianScale: Float {
    let sizes = parameters.flatMap { $0.value.elements.map(abs) }.sorted()
    guard !sizes.isEmpty else { return 0 }
    let middle = sizes.count / 2
    return sizes.count % 2 == 1 ? sizes[middle] : (sizes[middle - 1] + sizes[middle]) / 2
  }
}

extension ScaleAdapter {
  /// How far another adapter of the same base lies from this one, layer by layer in the order of the
  /// names.
  ///
  /// - Throws: `ScaleAdapterError` if they are of different bases, methods or layers.
  public func changes(to other: ScaleAdapter) throws(ScaleAdapterError) -> [ScaleChange] {
    guard other.method == method else {
      throw .layers(
        task: other.task,
        reason: "it is of \(other.method.rawValue), '\(task)' of \(method.rawValue)"
      )
    }
    guard other.trainedPlanes == trainedPlanes else {
      throw .layers(
        task: other.task,
        reason: "it has the scales of \(other.trainedPlanes ?? 0) planes, '\(task)' of "
          + "\(trainedPlanes ?? 0)"
      )
    }
    guard other.baseDigest == baseDigest else {
      throw .foreignBase(task: other.task, expected: baseDigest, found: other.baseDigest)
    }
    if let name = Set(scales.keys).symmetricDifference(other.scales.keys).min() {
      throw .layers(task: other.task, reason: "only one of both tasks has scales for '\(name)'")
    }
    var changes: [ScaleChange] = []
    for (layer, start) in scales.sorted(by: { $0.key < $1.key }) {
      guard let end = other.scales[layer] else { continue }
      guard end.shape == start.shape else {
        throw .shape(task: other.task, layer: layer, expected: start.shape, found: end.shape)
      }
      changes.append(ScaleChange(layer, from: start, to: end))
    }
    return changes
  }
}
