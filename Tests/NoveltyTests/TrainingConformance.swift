import Autograd
import Checkpoints
import Tensor
import TestSupport
import Testing

@testable import Novelty

extension NoveltyConformance {
  /// Steps of training from given weights and noise.
  @Suite struct Trace {
    private func training(_ fixture: NoveltyFixture) throws -> OAAETraining {
      let first = try fixture.tensor("init.enc1.w")
      let last = try fixture.tensor("init.enc2.w")
      var configuration = OAAE.Configuration.perceptron(
        hiddenWidths: [first.shape[0]],
        latentWidth: last.shape[0]
      )
      configuration.discriminatorWidths = [try fixture.tensor("init.dis1.w").shape[0]]
      configuration.normalizesBatches = false
      configuration.learningRate = 2e-3
      configuration.adversarialWeight = Float(
        try #require(fixture.metadata["ladv"]?.doubleValue)
      )
      configuration.embeddingWeight = Float(try #require(fixture.metadata["lole"]?.doubleValue))
      var plan = Autoencoder.Plan(
        architecture: configuration.architecture,
        extents: [first.shape[1]],
        latentWidth: configuration.latentWidth,
        output: .sigmoid,
        normalizesBatches: false
      )
      // The reference has one activation in all three networks.
      plan.decoderActivation = .leakyReLU(slope: 0.2)
      let training = OAAETraining(configuration, plan)
      for (name, parameter) in try parameters(training) {
        parameter.value = try fixture.tensor("init." + name)
      }
      return training
    }

    private func parameters(_ training: OAAETraining) throws -> [(String, Parameter)] {
      let names = ["enc", "dec", "dis"].flatMap { net in
        ["1.w", "1.b", "2.w", "2.b"].map { net + $0 }
      }
      let found = training.networks.parameters() + (training.discriminator?.parameters() ?? [])
      #expect(found.count == names.count)
      return Array(zip(names, found))
    }

    @Test func stepsFollowTheReference() throws {
      let fixture = try NoveltyFixture("oaae_trace")
      let training = try training(fixture)
      let steps = try #require(fixture.metadata["losses"]?.arrayValue)
      for (index, expected) in steps.enumerated() {
        let noise = try fixture.tensor("s\(index).noise")
        let losses = try training.step(
          fixture.tensor("s\(index).x"),
          labels: fixture.integers("s\(index).y"),
          noise: noise
        )
        let found = [
          losses.reconstruction, losses.discriminator, losses.adversarial, losses.embedding,
        ]
        expectClose(
          found.compactMap { $0 },
          ["rec", "d", "g", "ole"].compactMap { expected[$0]?.doubleValue },
          absolute: 1e-5,
          "step \(index)"
        )
      }
      for (name, parameter) in try parameters(training) {
        let expected = try fixture.tensor("final." + name)
        expectClose(parameter.value, expected, absolute: 1e-4, name)
      }
      let pass = AutoencoderPass(try fixture.tensor("s0.x"), through: training.networks, .all)
      expectClose(pass.angles, try fixture.numbers("final.angle_s0"), absolute: 1e-3)
    }

    @Test func lossesOfTheFile() throws {
      let fixture = try NoveltyFixture("losses")
      let x = Variable(following: try fixture.tensor("mse.x"))
      let y = try fixture.tensor("mse.y")
      let squares = meanSquaredError(predictions: x, targets: Variable(y), reduction: .sum)
      let loss = squares * (1 / Float(y.shape[0]))
      expectClose([loss.item], try fixture.numbers("mse.loss"), relative: 1e-5)
      loss.backward()
      expectClose(try #require(x.gradient), try fixture.tensor("mse.grad"), absolute: 1e-5)
    }
  }
}
