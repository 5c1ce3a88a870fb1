import Foundation
import ModelSupport
import Support
import Synchronization
import Transformer

/// The models that requests can name.
final class ModelShelf: Sendable {
  let settings: ServingSettings
  let metrics: ServerMetrics
  let engine: Engine
  private let models = Mutex<[ServedModel]>([])
  private let jobCount = Atomic<UInt64>(0)

  init(settings: ServingSettings, metrics: ServerMetrics) {
    self.settings = settings
    self.metrics = metrics
    engine = Engine(metrics: metrics)
  }

  /// The models in the order in which they were loaded.
  var all: [ServedModel] { models.withLock { $0 } }

  /// The model of that name.
  ///
  /// - Throws: `APIError` with the names that there are.
  func model(_ name: String) throws(APIError) -> ServedModel {
    let all = all
    guard let model = all.first(where: { $0.name == name }) else {
      throw .unknownModel(name, known: all.map(\.name))
    }
    return model
  }

  /// The usual name of a model: the last part of its path, without the suffix of a file.
  static func name(ofPath path: String, adapter: String?) -> String {
    func last(_ path: String) -> String {
      let name = URL(filePath: path).standardizedFileURL.lastPathComponent
      let suffix = [".gguf", ".safetensors"].first { name.hasSuffix($0) } ?? ""
      return String(name.dropLast(suffix.count))
    }
    return adapter.map { "\(last(path)):\(last($0))" } ?? last(path)
  }

  /// Loads a model.
  ///
  /// - Parameters:
  ///   - path: a folder or a .gguf file.
  ///   - adapter: what it was tuned to; nil for the model alone.
  ///   - name: what requests call it; nil for the usual name.
  /// - Returns: the model.
  /// - Throws: `CommandFailure` where the name is taken or there is no room; what opening throws.
  @discardableResult
  func load(_ path: String, adapter: String? = nil, name: String? = nil) async throws -> ServedModel
  {
    let name = name ?? Self.name(ofPath: path, adapter: adapter)
    let settings = settings
    // The engine's thread loads, one model after the other: the room that one finds is its own.
    let model = try await engine.perform { running in
      guard !self.all.contains(where: { $0.name == name }) else {
        throw CommandFailure("a model '\(name)' is loaded already; choose another name")
      }
      let file = try ModelFile(path: path)
      let task = try adapter.map { try TaskFile(path: $0) }
      try file.pretrained.requireDecoder()
      let served = try ServedModel(name, file.pretrained, settings)
      let memory = ModelMemory(
        file,
        places: settings.parallel,
        contextLength: served.contextLength,
        precision: settings.precision ?? file.cachePrecision
      )
      try memory.check(name, limit: settings.memory, used: running.memory)
      let batch = ContinuousBatch(
        try file.makeModel(settings.computation, adapter: task, cache: settings.precision),
        tokenizer: served.tokenizer,
        capacity: settings.parallel,
        contextLength: served.contextLength,
        passLength: ServingSettings.passLength
      )
      running.add(batch, memory: memory, name: name)
      self.models.withLock { $0.append(served) }
      return served
    }
    return model
  }

  /// Takes a model out of memory; texts that it is writing are broken off.
  ///
  /// - Throws: `APIError` where there is no such model.
  func unload(_ name: String) async throws {
    _ = try model(name)
    try await engine.perform { running in
      self.models.withLock { $0.removeAll { $0.name == name } }
      running.remove(name)
    }
    metrics.forget(name)
  }

  /// Lets a model write texts.
  ///
  /// - Parameters:
  ///   - request: the prompts and how they are continued.
  ///   - model: what writes.
  /// - Returns: what happens to the texts, and what breaks them off.
  /// - Throws: `APIError` where too many wait.
  func write(
    _ request: CompletionRequest,
    with model: ServedModel
  ) throws(APIError) -> (events: AsyncStream<Job.Event>, breakOff: @Sendable () -> Void) {
    let count = request.prompts.count * request.choices
    let limit = settings.parallel + settings.queue
    guard count <= limit else {
      throw .invalid("the request asks for \(count) texts; \(limit) have room", parameter: "n")
    }
    guard model.enter(count) else { throw .busy(model.name, limit: limit) }
    let (stream, continuation) = AsyncStream<Job.Event>.makeStream()
    let start = ProcessInfo.processInfo.systemUptime
    let jobs = (0..<count).map { choice in
      Job(
        id: jobCount.wrappingAdd(1, ordering: .relaxed).newValue,
        choice: choice,
        prompt: request.prompts[choice / request.choices],
        options: request.options,
        stopTexts: request.stopTexts,
        start: start,
        events: continuation
      )
    }
    let (name, engine) = (model.name, engine)
    let ids = Set(jobs.map(\.id))
    continuation.onTermination = { _ in
      model.leave(count)
      engine.post { $0.cancel(ids, of: name) }
    }
    engine.post { $0.submit(jobs, to: name) }
    return (stream, { continuation.finish() })
  }
}
