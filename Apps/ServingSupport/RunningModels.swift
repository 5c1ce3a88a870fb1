import Quantization
import Tensor
import Transformer

/// The models that are loaded, and the texts that they write; it lives on the engine's thread.
struct RunningModels {
  private var models: [String: RunningModel] = [:]
  private let metrics: ServerMetrics

  init(metrics: ServerMetrics) { self.metrics = metrics }

  /// Whether nobody waits for anything.
  var isIdle: Bool { models.values.allSatisfy(\.isIdle) }

  mutating func add(_ loaded: LoadedModel, _ settings: ServingSettings) {
    let name = loaded.served.name
    let batch = ContinuousBatch(
      loaded.model,
      tokenizer: loaded.served.tokenizer,
      capacity: settings.parallel,
      contextLength: loaded.served.contextLength,
      passLength: ServingSettings.passLength
    )
    models[name] = RunningModel(name, batch, layers: loaded.layers, metrics: metrics)
  }

  /// Adds the scales of a task, which requests call `name`, to a base that it shares.
  ///
  /// - Throws: `ScaleAdapterError` where they do not fit.
  func add(
    _ adapter: ScaleAdapter,
    as name: String,
    to base: String
  ) throws(ScaleAdapterError) {
    guard let model = models[base] else { throw .nothingToTune("'\(base)' was unloaded") }
    try model.add(adapter, as: name)
  }

  /// Takes the scales of a task out of its base.
  func remove(task: String, of base: String) { models[base]?.remove(task: task) }

  /// Takes a model out; who waits for its texts is told that they are broken off.
  mutating func remove(_ name: String) {
    models.removeValue(forKey: name)?.breakOff()
    MemoryPool.trim()
  }

  /// Tells all who wait that there is nothing more to come.
  func breakOff() { models.values.forEach { $0.breakOff() } }

  func submit(_ jobs: [Job], to name: String) {
    guard let model = models[name] else { return jobs.forEach { $0.events.finish() } }
    model.submit(jobs)
  }

  /// Forgets jobs whose reader has gone.
  func cancel(_ ids: Set<UInt64>, of name: String) { models[name]?.cancel(ids) }

  /// A pass of every model that has something to do.
  func step() {
    for name in models.keys.sorted() { models[name]?.step() }
  }
}
