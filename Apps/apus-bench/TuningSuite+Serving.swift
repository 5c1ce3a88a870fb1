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
      for length in [1, 16] { try measureTokens(model, layers, method, length) }
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

  /// So many tokens of each of as many texts as there are tasks: all of one task, each of its own in
  /// one pass, and each of its own one after the other.
  private func measureTokens(
    _ model: DecoderModel,
    _ layers: ScaleTunedLayers,
    _ method: Method,
    _ length: Int
  ) throws {
    let texts = 0..<Self.taskCount
    let own: [String?] = texts.map { "\($0)" }
    let rows = own.flatMap { [String?](repeating: $0, count: length) }
    let tokens = (0..<length).map { Int32($0) }
    func read(_ texts: Range<Int>) {
      keep(model.hiddenStates(texts.map { _ in (tokens, model.makeCache()) }))
    }
    let ways: [(name: String, body: () throws -> Void)] = [
      ("one task", { read(texts) }),
      ("\(Self.taskCount) tasks", { try layers.withTasks(ofRows: rows) { read(texts) } }),
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
    let samples = try self.samples(of: ways.map(\.body))
    let title = method.rawValue + ": \(texts.count) × \(length) tokens, "
    for (name, sample) in zip(ways.map(\.name), samples) {
      try add(title + name, sample, beside: name == ways[0].name ? nil : (ways[0].name, samples[0]))
    }
  }

  /// The seconds of each body, in turns after one that warms up.
  private func samples(of bodies: [() throws -> Void]) throws -> [Samples] {
    let watch = Stopwatch()
    var samples = [Samples](repeating: Samples(), count: bodies.count)
    for round in 0...(isQuick ? 2 : 7) {
      for (index, body) in bodies.enumerated() {
        let start = watch.now()
        try body()
        if round > 0 { samples[index].add([watch.now() - start]) }
      }
    }
    return samples
  }

  private func add(
    _ name: String,
    _ samples: Samples,
    beside reference: (name: String, samples: Samples)?
  ) throws {
    func value(_ samples: Samples) -> ReportRow.Value {
      ReportRow.Value(median: 1e3 * samples.median, best: 1e3 * samples.best)
    }
    try run.add(
      ReportRow(
        name: name,
        unit: "ms",
        isHigherBetter: false,
        ours: value(samples),
        reference: reference.map { ($0.name, value($0.samples)) },
        share: nil,
        neighbours: nil
      )
    )
  }
}
