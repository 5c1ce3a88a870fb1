import Autograd
import Checkpoints
import Federated
import Foundation
import Tensor
import TestSupport
import Testing

/// One round of softmax regression: fixtures/federated/fed_round*.
extension FederatedConformance {
  static let rounds = Fixtures.names(in: "federated", suffix: ".safetensors").filter {
    $0.hasPrefix("fed_round")
  }

  @Test(arguments: rounds)
  func localRound(name: String) throws {
    let file = try SafetensorsFile(path: Fixtures.file("federated/\(name)"))
    let content = try #require(file.metadata["case"])
    let info = try JSONDecoder().decode(RoundCase.self, from: Data(content.utf8))
    var settings = LocalTrainingSettings()
    settings.learningRate = info.lr
    settings.batchSize = info.batch
    settings.epochs = info.epochs
    let global = ParameterSet([
      ("layers.0.weight", try file.tensor(named: "W0")),
      ("layers.0.bias", try file.tensor(named: "b0")),
    ])
    var results: [String: [(ParameterUpdate, Int)]] = [:]
    for (rule, proximal) in [("avg", 0), ("prox", info.mu)] {
      settings.proximal = proximal
      for client in 0..<info.clients {
        let update = try trained(file, client, global, settings)
        let found = global.adding(update.delta)
        let expected = "c\(client).\(rule)"
        expectClose(
          try found.tensor("layers.0.weight"),
          try file.tensor(named: "\(expected).W"),
          relative: 1e-5,
          absolute: 1e-5,
          expected
        )
        expectClose(
          try found.tensor("layers.0.bias"),
          try file.tensor(named: "\(expected).b"),
          relative: 1e-5,
          absolute: 1e-5,
          expected
        )
        results[rule, default: []].append((update, client))
      }
    }
    try check(results["avg"] ?? [], file, global, "avg", normalizesSteps: false)
    try check(results["prox"] ?? [], file, global, "prox", normalizesSteps: false)
    try check(results["avg"] ?? [], file, global, "nova", normalizesSteps: true)
  }

  private func trained(
    _ file: SafetensorsFile,
    _ client: Int,
    _ global: ParameterSet,
    _ settings: LocalTrainingSettings
  ) throws -> ParameterUpdate {
    let inputs: Tensor<Float> = try file.tensor(named: "c\(client).X")
    let labels: Tensor<Int32> = try file.tensor(named: "c\(client).y", as: Int32.self)
    let classes = try global.tensor("layers.0.bias").count
    let task = VectorTask(inputs: inputs, labels: labels.elements, classCount: classes)
    return try LocalTrainer(task).train(
      LocalJob(
        model: LocalModel(whole: global),
        examples: allExamples(labels.count),
        settings: settings,
        batches: .inOrder
      )
    )
  }

  /// The round's machine gives the file's global model.
  private func check(
    _ updates: [(ParameterUpdate, Int)],
    _ file: SafetensorsFile,
    _ global: ParameterSet,
    _ rule: String,
    normalizesSteps: Bool
  ) throws {
    let shape = try global.tensor("layers.0.weight").shape
    var aggregation = AggregationSettings()
    aggregation.normalizesSteps = normalizesSteps
    var settings = RoundSettings()
    settings.overSampling = 1
    var engine = try RoundEngine(
      model: global,
      description: .mlp(widths: [shape[1], shape[0]]),
      settings: settings,
      aggregation: aggregation,
      seed: 1
    )
    let tasks = try engine.begin(
      updates.map { RoundCandidate(client: $1, exampleCount: $0.exampleCount) },
      now: 0
    )
    for task in tasks {
      let update = updates[task.client].0
      let result = RoundResult(of: task, update: update, byteCount: 1)
      #expect(engine.submit([engine.prepare(result, for: task)], now: 1) == [.accepted])
    }
    #expect(try engine.aggregate())
    for (name, short) in [("layers.0.weight", "W"), ("layers.0.bias", "b")] {
      expectClose(
        try engine.model.tensor(name),
        try file.tensor(named: "\(rule).\(short)"),
        relative: 1e-5,
        absolute: 1e-5,
        rule
      )
    }
  }
}

/// The metadata of a round.
private struct RoundCase: Decodable {
  var lr: Float
  var mu: Float
  var batch: Int
  var epochs: Int
  var clients: Int
}
