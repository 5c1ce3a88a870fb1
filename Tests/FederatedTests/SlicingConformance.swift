import Checkpoints
import Tensor
import TestSupport
import Testing

@testable import Federated

extension FederatedConformance {
  /// Slices of a small convolution network and their means.
  @Suite struct Slicing {
    /// What a device of the file does.
    struct Device {
      let rate: Rate
      let count: Int
      let labels: Set<Int>
      let kept: [String: [Int]]
    }

    let fixture: FederatedFixture
    let model: ModelDescription
    let global: ParameterSet
    let devices: [Device]

    init() throws {
      fixture = try FederatedFixture("width_slicing")
      let names = fixture.file.names
      let kernel = try fixture.tensor("global.conv1.weight").shape
      let planes = [kernel[0], try fixture.tensor("global.conv2.weight").shape[0]]
      let classes = try fixture.tensor("global.fc.bias").count
      model = .convolutionNetwork(
        ConvolutionNetworkShape(
          inputPlanes: kernel[1],
          planes: planes,
          kernel: kernel[2],
          positions: planes.map { _ in 1 },
          hasNorms: names.contains("global.norm1.weight"),
          ending: .average,
          classCount: classes
        )
      )
      global = try fixture.parameters("global.", names: model.parameters.map(\.name))
      devices = try fixture.list("clients").map { client in
        // Powers of two down to 1/64.
        let rate = try #require(client["rate"]?.doubleValue)
        let kept = try #require(client["kept"]?.objectValue)
        func integers(_ value: JSONValue?) -> [Int] {
          (value?.arrayValue ?? []).compactMap(\.intValue)
        }
        return Device(
          rate: try #require(Rate(validating: Int(rate * 64), of: 64)),
          count: try #require(client["n"]?.intValue),
          labels: Set(integers(client["labels"])),
          kept: Dictionary(uniqueKeysWithValues: kept.map { ($0.key, integers($0.value)) })
        )
      }
    }

    /// The contributions of the devices of the file.
    func contributions() throws -> [Contribution] {
      let slicing = WidthSlicing(model)
      return try devices.enumerated().map { index, device in
        let plan = DevicePlan.slice(device.rate)
        let local = try slicing.compress(global, plan: plan, seed: 0)
        for (name, tensor) in local.parameters.entries {
          let kept = try #require(device.kept[name])
          #expect(Array(tensor.shape.extents.prefix(kept.count)) == kept, "\(name) of \(index)")
        }
        let trained = try fixture.parameters("c\(index).", names: local.parameters.names)
        let update = ParameterUpdate(
          delta: trained.subtracting(local.parameters),
          exampleCount: device.count
        )
        return Contribution(
          client: index,
          update: try slicing.lift(update, of: local),
          exampleCount: device.count
        )
      }
    }

    func check(_ result: AggregatedUpdate, _ rule: String) throws {
      var updated = global
      var optimizer = ServerOptimizer()
      optimizer.step(&updated, by: result)
      for (name, tensor) in updated.entries {
        expectClose(
          tensor,
          try fixture.tensor("\(rule).\(name)"),
          absolute: 1e-6,
          "\(rule) \(name)"
        )
        let weights = try #require(result.weights[name])
        expectClose(
          weights,
          try fixture.tensor("\(rule).den.\(name)"),
          absolute: 1e-6,
          "\(rule).den \(name)"
        )
      }
    }

    @Test func uniformMean() throws {
      try check(CoverageMean(weighting: .uniform)(contributions(), like: global), "uniform")
    }

    @Test func weightedMean() throws {
      try check(CoverageMean()(contributions(), like: global), "weighted")
    }

    @Test func meanWithMaskedHead() throws {
      let mask = ClassMask(model)
      let masked = try zip(contributions(), devices).map { contribution, device in
        var contribution = contribution
        contribution.update = mask.restricting(contribution.update, to: device.labels)
        return contribution
      }
      try check(CoverageMean(weighting: .uniform)(masked, like: global), "head")
    }
  }
}
