import Autograd
import Tensor

/// A DDFE in use: batch norms folded into the layers before them, rows in runs that stay in cache.
///
/// What a run of rows passes through is a few hundred kilobytes; of a whole scan it would be 16 MB
/// or more for each of a dozen steps.
struct FoldedDDFE {
  private let points: GatedLayers
  private let voxels: GatedLayers
  private let fuse: FoldedLayers

  /// The folded layers; nil while a norm follows its batches, or where a layer was replaced.
  init?(_ model: DDFE) {
    guard let points = GatedLayers(model.pointEncoder, model.pointGate),
      let voxels = GatedLayers(model.voxelEncoder, model.voxelGate),
      let fuse = FoldedLayers(model.fuse)
    else { return nil }
    (self.points, self.voxels, self.fuse) = (points, voxels, fuse)
  }

  /// The features of the voxels [V × out].
  func callAsFunction(_ input: DDFEInput) -> Tensor<Float> {
    let features = inRuns(input.pointCount, width: points.width) { rows in
      points(input.points[rows], input.pointDensity[rows])
    }
    let pooled = features.segmentMax(input.members.pointToVoxel, count: input.voxelCount)
    return inRuns(input.voxelCount, width: fuse.width) { rows in
      let own = voxels(input.voxels[rows], input.voxelDensity[rows])
      return fuse(.concatenating([own, pooled[rows]], axis: 1))
    }
  }

  /// The rows that `body` computes for one run after another, on several threads.
  private func inRuns(
    _ count: Int,
    width: Int,
    _ body: (_ rows: Range<Int>) -> Tensor<Float>
  ) -> Tensor<Float> {
    Tensor(uninitialized: [count, width]) { target in
      guard let target = target.baseAddress else { return }
      WorkPool.forEachRange(count: count, grain: 1 << 10) { rows in
        body(rows).withUnsafeElements { result in
          guard let result = result.baseAddress else { return }
          (target + rows.lowerBound * width).update(from: result, count: rows.count * width)
        }
      }
    }
  }
}

/// An encoder and, unless there is none, its gate.
private struct GatedLayers {
  let encoder: FoldedLayers
  let gate: FoldedLayers?

  init?(_ encoder: Sequential, _ gate: Sequential?) {
    guard let layers = FoldedLayers(encoder) else { return nil }
    self.encoder = layers
    self.gate = gate.flatMap { FoldedLayers($0) }
    if gate != nil && self.gate == nil { return nil }
  }

  var width: Int { encoder.width }

  func callAsFunction(_ rows: Tensor<Float>, _ density: Tensor<Float>) -> Tensor<Float> {
    let features = encoder(rows)
    return gate.map { $0(density).gated(.sigmoid, by: features) } ?? features
  }
}

/// Linear layers with their norms folded in, a ReLU behind each that had a norm.
private struct FoldedLayers {
  private var steps: [(weight: Tensor<Float>, bias: Tensor<Float>?, isActivated: Bool)] = []

  /// The layers of a list of linear layer, norm and ReLU, or linear layer alone; else nil.
  init?(_ list: Sequential) {
    var rest = list.layers[...]
    while let layer = rest.popFirst() {
      guard let linear = layer as? Linear else { return nil }
      guard let next = rest.first else {
        steps.append((linear.weight.value, linear.bias?.value, false))
        return
      }
      guard let norm = next as? BatchNorm, !norm.isTraining else { return nil }
      guard rest.dropFirst().first as? Activation == .relu else { return nil }
      rest.removeFirst(2)
      let folded = linear.folding(norm)
      steps.append((folded.weight.value, folded.bias?.value, true))
    }
  }

  /// The width of the result.
  var width: Int { steps.last?.weight.shape[0] ?? 0 }

  func callAsFunction(_ rows: Tensor<Float>) -> Tensor<Float> {
    steps.reduce(rows) { rows, step in
      let result = rows.linear(weight: step.weight, bias: step.bias)
      return step.isActivated ? result.relu() : result
    }
  }
}
