import Foundation
import Transformer

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
