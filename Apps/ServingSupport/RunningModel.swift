import Foundation
import Quantization
import Transformer

/// A model and the texts that it writes, for all of its tasks.
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
  /// What tasks of scales are added to; nil where the model has none.
  private let layers: ScaleTunedLayers?
  /// What requests call the tasks that are served beside the model as it is.
  private var tasks: [String: String] = [:]

  init(
    _ name: String,
    _ batch: ContinuousBatch,
    layers: ScaleTunedLayers?,
    metrics: ServerMetrics
  ) {
    (self.name, self.batch, self.layers, self.metrics) = (name, batch, layers, metrics)
    if let layers {
      self.batch.aroundPass = { tasks, read in layers.withKnownTasks(ofRows: tasks, read) }
    }
  }

  /// Adds the scales of a task, which requests call `model`.
  ///
  /// - Throws: `ScaleAdapterError` where they do not fit.
  func add(_ adapter: ScaleAdapter, as model: String) throws(ScaleAdapterError) {
    guard let layers else { throw .nothingToTune("\(name) shares its codes with no task") }
    try layers.add(adapter)
    tasks[adapter.task] = model
  }

  /// Takes a task's scales away, and breaks its texts off.
  func remove(task: String) {
    for job in waiting + writing.values where job.task == task { job.events.finish() }
    cancel(Set((waiting + writing.values).filter { $0.task == task }.map(\.id)))
    try? layers?.remove(task)
    tasks[task] = nil
  }

  var isIdle: Bool { batch.isEmpty && waiting.isEmpty }

  func submit(_ jobs: [Job]) {
    waiting += jobs
    note()
  }

  func cancel(_ ids: Set<UInt64>) {
    var brokenOff: [String: Int] = [:]
    for job in waiting where ids.contains(job.id) { brokenOff[job.model, default: 0] += 1 }
    waiting.removeAll { ids.contains($0.id) }
    for (id, job) in writing where ids.contains(job.id) {
      batch.remove(id)
      writing[id] = nil
      silent.remove(id)
      brokenOff[job.model, default: 0] += 1
    }
    for (model, count) in brokenOff { metrics.countBrokenOff(model, count) }
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
    var tokens: [String: Int] = [:]
    for event in events where event.token != nil {
      if let job = writing[event.id] { tokens[job.model, default: 0] += 1 }
    }
    for event in events { deliver(event, at: end) }
    metrics.countPass(name, seconds: end - start)
    for (model, count) in tokens { metrics.countTokens(model, count) }
    note()
  }

  private func admit() {
    while batch.hasRoom, !waiting.isEmpty {
      let job = waiting.removeFirst()
      let id = batch.add(
        job.prompt,
        options: job.options,
        stopTexts: job.stopTexts,
        stream: job.choice,
        task: job.task
      )
      writing[id] = job
      silent.insert(id)
      let reused = batch.reusedCount(id)
      metrics.countPrompt(job.model, tokens: job.prompt.count, reused: reused)
      job.events.yield(Job.Event(choice: job.choice, reused: reused))
    }
  }

  private func deliver(_ event: ContinuousBatch.Event, at time: Double) {
    guard let job = writing[event.id] else { return }
    if silent.remove(event.id) != nil {
      metrics.countFirstToken(job.model, seconds: time - job.start)
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
        finish: event.finish,
        scores: event.score.map { [$0] } ?? [],
        promptScores: event.promptScores
      )
    )
  }

  private func note() {
    for model in [name] + tasks.values {
      metrics.note(
        model,
        writing: writing.values.count { $0.model == model },
        waiting: waiting.count { $0.model == model }
      )
    }
  }
}
