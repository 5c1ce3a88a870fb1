import Autograd
import Quantization
import Support
import Tensor

/// Rounds a net block by block: inputs from the quantized blocks in front, targets from the float net.
struct BlockwiseQuantization {
  let net: VisionNet
  let settings: StudyFile.Settings
  /// Calibration images [S × 1 × H × W].
  let images: Tensor<Float>
  /// What the float net's blocks make of them: the input of each block, and the logits at the end.
  private let states: [Tensor<Float>]

  init(_ net: VisionNet, settings: StudyFile.Settings, images: Tensor<Float>) {
    self.net = net
    self.settings = settings
    self.images = images
    states = net.blocks.reduce(into: [images]) { states, block in
      states.append(Self.output(of: block, states[states.count - 1]))
    }
  }

  /// The quantized blocks of a cell, and how well they do; `accuracy` and `seconds` are left open.
  func quantize(
    _ cell: StudyCell,
    progress: (_ share: Double) -> Void
  ) throws -> (blocks: [any StackedBlock], result: StudyResult) {
    var result = StudyResult(cell: cell, accuracy: 0, blockErrors: [], keptStarts: 0, seconds: 0)
    var blocks: [any StackedBlock] = []
    var movement = MovedCodes()
    var inputs = images
    for index in 0..<net.blockCount {
      let block = try net.block(index)
      let isEdge = index == 0 || index == net.blockCount - 1
      let scheme = try scheme(cell, isEdge: isEdge)
      let found = try Reconstruction(reconstruction(cell)).run(
        block,
        rounding: LayerRounding(method: cell.method.rounding, scheme: scheme),
        inputs: inputs,
        targets: states[index + 1],
        forward: { block($0) },
        progress: { step in
          let share = Double(step.step) / Double(step.steps)
          progress((Double(index) + share) / Double(net.blockCount))
          return !Cancellation.isRequested
        }
      )
      result.blockErrors.append(found.report.error)
      if found.report.choice == .start { result.keptStarts += 1 }
      if !isEdge { movement.add(found.layers) }
      inputs = Self.output(of: block, inputs)
      blocks.append(block)
    }
    if cell.method.isLearned { result.moved = movement.shares }
    return (blocks, result)
  }

  private func scheme(_ cell: StudyCell, isEdge: Bool) throws -> WeightScheme {
    try WeightScheme(
      grid: QuantizationGrid(bits: isEdge ? settings.edgeBits : cell.bits),
      granularity: .tensor,
      range: isEdge ? .flexRound : cell.range,
      scaleType: .float32
    )
  }

  private func reconstruction(_ cell: StudyCell) -> ReconstructionSettings {
    ReconstructionSettings(
      steps: cell.method.isLearned ? settings.steps : 0,
      batchSize: settings.batchSize,
      learningRate: cell.learningRate,
      heldBackShare: settings.heldBackShare,
      seed: cell.seed
    )
  }

  private static func output(of block: any StackedBlock, _ inputs: Tensor<Float>) -> Tensor<Float> {
    let parts = stride(from: 0, to: inputs.shape[0], by: 128).map { start in
      withoutGradients {
        block(Variable(inputs[start..<min(start + 128, inputs.shape[0])])).value
      }
    }
    return .concatenating(parts)
  }
}

/// The codes of all layers that differ from round-to-nearest's.
private struct MovedCodes {
  private var (total, moved, far) = (0.0, 0.0, 0.0)

  var shares: MovedWeights {
    MovedWeights(share: moved / max(total, 1), shareBeyondOne: far / max(total, 1))
  }

  mutating func add(_ layers: [ModuleReconstruction.Layer]) {
    for layer in layers {
      let count = Double(layer.shape.count)
      total += count
      moved += count * layer.movement.movedShare
      far += count * layer.movement.farShare
    }
  }
}
