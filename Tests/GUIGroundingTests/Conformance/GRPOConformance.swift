import Autograd
import Checkpoints
import GUIGrounding
import Tensor
import TestSupport
import Testing

extension GUIGroundingConformance {
  @Test(arguments: tensorFixtures("grpo-"))
  func grpoAgrees(_ name: String) throws {
    let fixture = try GRPOFixture(name)
    let groups = GroupAdvantages(rewards: fixture.rewards, settings: fixture.settings)
    let advantages = groups.advantages.map { Float($0) }
    expectClose(advantages, fixture["advantages"].elements, absolute: 1e-5, name)
    for group in groups.groupDeviations.indices where groups.groupDeviations[group] == 0 {
      let rows = group * groups.groupSize..<(group + 1) * groups.groupSize
      #expect(groups.advantages[rows].allSatisfy { $0 == 0 }, "\(name), group \(group)")
    }
    let logits = Variable(following: fixture["logits"])
    let batch = fixture.batch(groups)
    let (loss, metrics) = grpoLoss(logits: logits, batch: batch, settings: fixture.settings)
    expectClose(
      [loss.item],
      fixture["loss"].elements,
      relative: 1e-5,
      absolute: 2e-6,
      "\(name), loss"
    )
    loss.backward()
    let gradient = try #require(logits.gradient)
    expectClose(gradient, fixture["grad_logits"], absolute: 2e-6, "\(name), gradient")
    fixture.checkMetrics(metrics)
    fixture.checkTokens()
    try fixture.checkLogProbabilities(batch, loss, metrics)
  }
}

/// The tensor files whose names begin with a prefix.
func tensorFixtures(_ prefix: String) -> [String] {
  Fixtures.names(in: "gui", suffix: ".safetensors").filter { $0.hasPrefix(prefix) }
}

/// One file: its tensors and the case.
private struct GRPOFixture {
  let name: String
  let settings: GRPOSettings
  let example: JSONValue
  private let tensors: [String: Tensor<Float>]
  let tokens: Tensor<Int32>
  let mask: Tensor<Bool>

  init(_ name: String) throws {
    let file = try Checkpoint(path: Fixtures.file("gui/" + name))
    let example = try JSONValue.parse(try #require(file.metadata["case"]))
    var settings = GRPOSettings()
    settings.groupSize = try example.int("group_size")
    settings.reduction = try #require(GRPOReduction(rawValue: example.string("loss_type")))
    settings.scaling = try #require(AdvantageScaling(rawValue: example.string("scale_rewards")))
    settings.ratioLevel = try #require(
      RatioLevel(rawValue: example.string("importance_sampling_level"))
    )
    settings.epsilonLow = try example.double("epsilon_low")
    settings.epsilonHigh = try example.double("epsilon_high")
    settings.delta = example["delta"]?.doubleValue
    settings.beta = try example.double("beta")
    settings.maxCompletionLength = try example.int("max_completion_length")
    settings.advantageEpsilon = try example.double("adv_eps")
    var tensors: [String: Tensor<Float>] = [:]
    for name in file.names where name != "completion_ids" && name != "mask" {
      tensors[name] = try file.tensor(named: name)
    }
    let mask = try file.tensor(named: "mask", as: Int32.self)
    (self.name, self.settings, self.example, self.tensors) = (name, settings, example, tensors)
    tokens = try file.tensor(named: "completion_ids", as: Int32.self)
    self.mask = Tensor(mask.elements.map { $0 != 0 }, shape: mask.shape)
  }

  subscript(name: String) -> Tensor<Float> { tensors[name] ?? .zeros([0]) }

  var rewards: [Double] { self["rewards"].elements.map(Double.init) }

  func batch(_ groups: GroupAdvantages) -> GRPOBatch {
    GRPOBatch(
      tokens: tokens,
      mask: mask,
      groups: groups,
      settings: settings,
      oldLogProbabilities: self["old_logps"],
      referenceLogProbabilities: self["ref_logps"]
    )
  }

  func checkMetrics(_ metrics: GRPOMetrics) {
    expectClose(
      [metrics.lowClipShare, metrics.highClipShare],
      [example["clip_low_mean"]?.doubleValue ?? 0, example["clip_high_mean"]?.doubleValue ?? 0],
      absolute: 1e-6,
      "\(name), clipping"
    )
    let kl = example["kl_mean"]?.doubleValue
    #expect((kl == nil) == (metrics.kl == nil), "\(name)")
    expectClose([metrics.kl ?? 0], [kl ?? 0], absolute: 1e-6, "\(name), kl")
    let entropy = selected(self["entropy"]).reduce(0, +) / Float(metrics.tokenCount)
    expectClose([Float(metrics.entropy ?? .nan)], [entropy], absolute: 1e-5, "\(name), entropy")
  }

  func checkTokens() {
    let rows = tokenLogProbabilities(logits: self["logits"], tokens: tokens, mask: mask)
    let (found, entropies) = (selected(rows.logProbabilities), selected(rows.entropies))
    expectClose(found, selected(self["logps"]), absolute: 1e-5, "\(name), ℓ")
    expectClose(entropies, selected(self["entropy"]), absolute: 1e-5, "\(name), entropies")
  }

  /// The variant over log-probabilities, followed by the operation that makes them of logits.
  func checkLogProbabilities(
    _ batch: GRPOBatch,
    _ loss: Variable,
    _ metrics: GRPOMetrics
  ) throws {
    let logits = Variable(following: self["logits"])
    let ignored = mask.elements.indices.map { mask.elements[$0] ? tokens.elements[$0] : -100 }
    let targets = Tensor(ignored, shape: tokens.shape)
    let l = logProbabilities(logits: logits, targets: targets)
    let other = grpoLoss(
      logProbabilities: l,
      entropy: self["entropy"],
      batch: batch,
      settings: settings
    )
    expectClose([other.loss.item], [loss.item], relative: 1e-5, absolute: 2e-6, name)
    expectClose([other.metrics.entropy ?? .nan], [metrics.entropy ?? 0], absolute: 1e-5, name)
    other.loss.backward()
    let gradient = try #require(logits.gradient)
    expectClose(gradient, self["grad_logits"], absolute: 2e-6, "\(name), gradient by way of ℓ")
  }

  private func selected(_ tensor: Tensor<Float>) -> [Float] {
    let (values, mask) = (tensor.elements, mask.elements)
    return values.indices.filter { mask[$0] }.map { values[$0] }
  }
}
