import Foundation
import Tensor
import Transformer

/// A text that somebody waits for.
struct Job: Sendable {
  /// What happens to it.
  struct Event: Sendable {
    /// Which of the texts of a request it is.
    var choice: Int
    /// Text that is certain now; often empty.
    var piece = ""
    /// Tokens that were drawn.
    var tokens = 0
    /// Tokens of the prompt that needed no reading; told once, with the first event.
    var reused = 0
    /// Why it has ended.
    var finish: GenerationFinish?
  }

  let id: UInt64
  /// Which of the texts of a request it is.
  let choice: Int
  let prompt: [Int32]
  let options: GenerationOptions
  let stopTexts: [String]
  /// The time of uptime at which it came.
  let start: Double
  /// What it gives back at its end.
  let stay: Stay
  let events: AsyncStream<Event>.Continuation
}

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
    models[name] = RunningModel(name, batch, metrics: metrics)
  }

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

/// A model and the texts that it writes.
final class RunningModel {
  private let name: String
  private var batch: ContinuousBatch
  /// Jobs without room, first come first served.
  private var waiting: [Job] = []
  /// Jobs in the batch, by what it calls them.
  private var writing: [Int: Job] = [:]
  /// Those of whom no token has come.
  private var silent: Set<Int> = []
  private let metrics: ServerMetrics

  init(_ name: String, _ batch: ContinuousBatch, metrics: ServerMetrics) {
    (self.name, self.batch, self.metrics) = (name, batch, metrics)
  }

  var isIdle: Bool { batch.isEmpty && waiting.isEmpty }

  func submit(_ jobs: [Job]) {
    waiting += jobs
    note()
  }

  func cancel(_ ids: Set<UInt64>) {
    let before = waiting.count + writing.count
    waiting.removeAll { ids.contains($0.id) }
    for (id, job) in writing where ids.contains(job.id) {
      batch.remove(id)
      writing[id] = nil
      silent.remove(id)
    }
    metrics.countBrokenOff(name, before - waiting.count - writing.count)
    note()
  }

  func breakOff() {
    for job in waiting { job.events.finish() }
    for job in writing.values { job.events.finish() }
  }

  func step() {
    admit()
    guard !batch.isEmpty else { return }
    let start = ProcessInfo.processInfo.systemUptime
    let events = batch.step()
    let end = ProcessInfo.processInfo.systemUptime
    for event in events { deliver(event, at: end) }
    metrics.countPass(name, seconds: end - start, tokens: events.count { $0.token != nil })
    note()
  }

  private func admit() {
    while batch.hasRoom, !waiting.isEmpty {
      let job = waiting.removeFirst()
      let id = batch.add(
        job.prompt,
        options: job.options,
        stopTexts: job.stopTexts,
        stream: job.choice
      )
      writing[id] = job
      silent.insert(id)
      let reused = batch.reusedCount(id)
      metrics.countPrompt(name, tokens: job.prompt.count, reused: reused)
      job.events.yield(Job.Event(choice: job.choice, reused: reused))
    }
  }

  private func deliver(_ event: ContinuousBatch.Event, at time: Double) {
    guard let job = writing[event.id] else { return }
    if silent.remove(event.id) != nil {
      metrics.countFirstToken(name, seconds: time - job.start)
    }
    if event.finish != nil {
      writing[event.id] = nil
      job.stay.endOne()
    }
    job.events.yield(
      Job.Event(
        choice: job.choice,
        piece: event.piece,
        tokens: event.token == nil ? 0 : 1,
        finish: event.finish
      )
    )
  }

  private func note() { metrics.note(name, writing: writing.count, waiting: waiting.count) }
}
