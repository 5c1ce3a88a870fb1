import Tensor
import TestSupport
import Testing

@testable import Federated

/// Networks that tests compress.
enum SampleModels {
  static let mlp = ModelDescription.mlp(widths: [13, 10, 7, 4])

  static let decoder = ModelDescription.decoder(
    DecoderShape(
      vocabularySize: 11,
      width: 12,
      blockCount: 3,
      headCount: 4,
      keyHeadCount: 2,
      headWidth: 6,
      hiddenWidth: 9,
      tokenCount: 5
    )
  )

  static let convolution = ModelDescription.convolutionNetwork(
    ConvolutionNetworkShape(
      inputPlanes: 2,
      planes: [6, 5],
      positions: [16, 4],
      hasNorms: true,
      ending: .flatten(positions: 4),
      classCount: 3
    )
  )

  static let all = [mlp, decoder, convolution]

  /// Random parameters of a network.
  static func parameters(_ model: ModelDescription, seed: UInt64) -> ParameterSet {
    var generator = Philox(seed: seed)
    return ParameterSet(
      model.parameters.map {
        ($0.name, .normal(model.shape(of: $0), deviation: 0.3, using: &generator))
      }
    )
  }

  /// Plans of every kind.
  static let plans: [DevicePlan] = {
    let half = Rate(1, of: 2)
    var plans: [DevicePlan] = [.full, .slice(Rate(1, of: 4))]
    for pattern in WidthPlan.Pattern.allCases {
      plans.append(DevicePlan(width: WidthPlan(half, pattern: pattern), round: 5))
    }
    for scope in [
      MaskPlan.Scope.global, .layer, .neighbours(kept: 2, outOf: 4),
    ] {
      plans.append(DevicePlan(mask: MaskPlan(density: half, scope: scope)))
    }
    let regrown = MaskPlan(density: half, regrowth: Rate(1, of: 20))
    plans.append(DevicePlan(width: WidthPlan(half, pattern: .random), mask: regrown))
    for training in [
      LowBitPlan.Training.fakeQuantized, .scales, .adapter(rank: 2),
    ] {
      plans.append(DevicePlan(lowBit: LowBitPlan(bits: 4, training: training)))
      plans.append(
        DevicePlan(width: WidthPlan(half), lowBit: LowBitPlan(bits: 2, training: training))
      )
    }
    plans.append(DevicePlan(rank: .fixed(2)))
    plans.append(
      DevicePlan(depth: 1, width: WidthPlan(half, pattern: .rolling), rank: .energy(0.7))
    )
    return plans
  }()

  /// A random change of a local model.
  static func change(_ local: LocalModel, seed: UInt64) -> ParameterSet {
    var generator = Philox(seed: seed)
    return ParameterSet(
      local.parameters.entries.map { name, tensor in
        let change = Tensor<Float>.normal(tensor.shape, deviation: 0.1, using: &generator)
        return (name, local.masks[name].map { Coverage.bits($0).part(of: change) } ?? change)
      }
    )
  }
}
