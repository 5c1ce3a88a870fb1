import Autograd
import Quantization
import Tensor
import Transformer

extension TuningSuite {
  private static let taskCount = 8

  /// What it costs that one base serves several tasks: to change the task, and a token for each of
  /// several texts at once.
  func measureServing() throws {
    guard run.startGroup("\(Self.taskCount) tasks of one base") else { return }
    for method in [Method.peqa, .peqaGroups, .alphaTuning] {
      let (model, layers) = try makeTasks(method)
      try measureSwap(layers, method)
      try measureTokens(model, layers, method)
    }
  }

  /// A model with tasks whose scales are not the base's.
  private func makeTasks(
    _ method: Method
  ) throws -> (model: DecoderModel, layers: ScaleTunedLayers) {
    let model = try DecoderModel(configuration, weights: RandomWeights(method, Philox(seed: 0)))
    if method == .alphaTuning { try model.useAlphaTuning() } else { try model.usePEQA() }
    let layers = try ScaleTunedLayers(of: model)
    for task in 0..<Self.taskCount {
      var adapter = layers.adapter(task: "\(task)")
      adapter.scales = adapter.scales.mapValues { $0 * (1 + Float(task + 1) / 100) }
      try layers.add(adapter)
    }
    return (model, layers)
  }

  private func measureSwap(_ layers: ScaleTunedLayers, _ method: Method) throws {
    let adapter = layers.adapter(task: "more")
    var task = 0
    try run.measure(
      BenchCase(name: method.rawValue + ": another task", metric: .microseconds) {
        task = (task + 1) % Self.taskCount
        try? layers.activate("\(task)")
      }
    )
    try layers.activate(nil)
    try run.measure(
      BenchCase(name: method.rawValue + ": a task is added", metric: .microseconds) {
        try? layers.add(adapter)
      }
    )
    try layers.remove("more")
  }

  /// One token for each of as many texts as there are tasks: all of one task, each of its own in one
  /// pass, and each of its own one after the other.
  private func measureTokens(
    _ model: DecoderModel,
    _ layers: ScaleTunedLayers,
    _ method: Method
  ) throws {
    let texts = 0..<Self.taskCount
    let own: [String?] = texts.map { "\($0)" }
    func read(_ texts: Range<Int>) {
      keep(model.hiddenStates(texts.map { ([Int32($0)], model.makeCache()) }))
    }
    let ways: [(name: String, body: () throws -> Void)] = [
      ("one task", { read(texts) }),
      ("\(Self.taskCount) tasks", { try layers.withTasks(ofRows: own) { read(texts) } }),
      (
        "\(Self.taskCount) tasks in turn",
        {
          for text in texts {
            try layers.activate(own[text])
            read(text..<text + 1)
          }
          try layers.activate(nil)
        }
      ),
    ]
    let watch = Stopwatch()
    var samples = [Samples](repeating: Samples(), count: ways.count)
    for round in 0...(isQuick ? 2 : 7) {
      for (index, way) in ways.enumerated() {
        let start = watch.now()
        try way.body()
        // The first round warms up.
        if round > 0 { samples[index].add([watch.now() - start]) }
      }
    }
    func value(_ index: Int) -> ReportRow.Value {
      ReportRow.Value(median: 1e3 * samples[index].median, best: 1e3 * samples[index].best)
    }
    for (index, way) in ways.enumerated() {
      try run.add(
        ReportRow(
          name: method.rawValue + ": " + way.name,
          unit: "ms",
          isHigherBetter: false,
          ours: value(index),
          reference: index == 0 ? nil : (ways[0].name, value(0)),
          share: nil,
          neighbours: nil
        )
      )
    }
  }
}
