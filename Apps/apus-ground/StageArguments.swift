import ArgumentParser
import Autograd
import GUIGrounding
import Support

/// What every training run is told.
struct StageArguments: ParsableArguments {
  @Option(name: .shortAndLong, help: ArgumentHelp("The folder of the run.", valueName: "folder"))
  var output: String
  @Option(help: "The optimizer's steps. (default: 150 for sft and consist, 200 for rl)")
  var steps: Int?
  @Option(help: "The largest learning rate. (default: 3e-3 for sft, 5e-4 for rl and consist)")
  var learningRate: Float?
  @Option(help: "The seed of weights, order and responses.")
  var seed: UInt64 = 0
  @Option(help: "Steps between checkpoints; an interruption always saves one.")
  var checkpointInterval = 50
  @Option(help: "Items to measure on: pages, or with --split the rows of 'test'; 0 for none.")
  var testItems = 200
  @Option(help: "The seed of synthetic pages to measure on.")
  var testSeed: UInt64 = 1000
  @Option(help: "Responses of each of these at temperature 1.")
  var testSamples = 4
  @Option(help: "Steps between measurements. (default: at the end)")
  var evaluationInterval: Int?

  func validate() throws {
    guard (0...1 << 40).contains(steps ?? 1), (1...1 << 40).contains(checkpointInterval),
      (1...1 << 40).contains(evaluationInterval ?? 1)
    else { throw ValidationError("steps and intervals must be above 0") }
    guard (learningRate ?? 1) > 0, (learningRate ?? 1) <= 10 else {
      throw ValidationError("--learning-rate must be above 0, at most 10")
    }
    guard (0...1 << 24).contains(testItems), (0...1024).contains(testSamples) else {
      throw ValidationError("--test-items and --test-samples must be 0 or more")
    }
  }

  /// What is measured while a policy is trained; nil for nothing.
  func tests(beside data: SourceDescription) throws -> GroundingExamples? {
    guard testItems > 0 else { return nil }
    var description = data
    guard data.path != nil else {
      (description.pages, description.pageSeed) = (testItems, testSeed)
      return try description.load().examples()
    }
    guard let split = data.split, split != "test" else { return nil }
    (description.split, description.limit) = ("test", testItems)
    // Data without such a part are trained on without measuring.
    return try? description.load().examples()
  }

  /// What a run measures.
  func evaluation(
    _ policy: NativeGroundingPolicy,
    beside data: SourceDescription
  ) throws -> (() throws -> [String: Double])? {
    guard let tests = try tests(beside: data) else { return nil }
    let samples = testSamples
    return { try policy.accuracy(on: tests, samples: samples).metrics }
  }
}

/// How responses are rewarded and advantages followed.
struct RewardArguments: ParsableArguments {
  @Option(help: "G, the responses to each example.")
  var group = 8
  @Option(help: "The weight of the form beside a hit.")
  var formatWeight = 0.1
  @Option(help: "The weight of nearness to the centre, a dense reward; 0 for none.")
  var centerWeight = 0.0
  @Option(help: "How the losses of tokens are reduced.")
  var reduction = GRPOReduction.drGRPO
  @Option(help: "What advantages are divided by.")
  var scaling = AdvantageScaling.group
  @Option(help: "Whose ratio is clipped.")
  var ratio = RatioLevel.token
  @Option(help: "The ratio is not followed below 1 minus this.")
  var clipLow = 0.2
  @Option(help: "The ratio is not followed above 1 plus this.")
  var clipHigh = 0.2
  @Option(help: "The weight of the distance from the policy at the start.")
  var beta = 0.0
  @Option(help: "The temperature that responses are drawn at.")
  var temperature = 1.0

  func validate() throws {
    guard (2...1024).contains(group) else { throw ValidationError("--group must be 2 to 1024") }
    let weights = [formatWeight, centerWeight, clipLow, clipHigh, beta]
    guard weights.allSatisfy({ $0 >= 0 && $0.isFinite }) else {
      throw ValidationError("weights, clips and --beta must be 0 or more")
    }
    guard temperature > 0, temperature <= 100 else {
      throw ValidationError("--temperature must be above 0")
    }
  }

  var settings: GRPOSettings {
    var settings = GRPOSettings()
    settings.groupSize = group
    settings.reduction = reduction
    settings.scaling = scaling
    settings.ratioLevel = ratio
    (settings.epsilonLow, settings.epsilonHigh) = (clipLow, clipHigh)
    settings.beta = beta
    return settings
  }

  var rewards: WeightedRewards {
    var rewards = WeightedRewards.reguide(formatWeight: formatWeight)
    if centerWeight > 0 {
      rewards.terms.append(WeightedRewards.Term(CenterReward(), weight: centerWeight))
    }
    return rewards
  }
}
