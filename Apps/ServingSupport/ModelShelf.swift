import Foundation
import ModelSupport
import Quantization
import Support
import Synchronization
import Tensor
import Transformer

/// The models that requests can name.
final class ModelShelf: Sendable {
  let settings: ServingSettings
  let metrics: ServerMetrics
  let engine: Engine
  private let loader = SerialQueue("apus-serve loader")
  private let models = Mutex<[(model: ServedModel, memory: Int)]>([])
  /// The bases that tasks may share: what they are called, by their paths.
  private let bases = Mutex<[String: String]>([:])
  private let jobCount = Atomic<UInt64>(0)

  init(settings: ServingSettings, metrics: ServerMetrics) {
    self.settings = settings
    self.metrics = metrics
    engine = Engine(metrics: metrics)
  }

  /// The models in the order in which they were loaded.
  var all: [ServedModel] { models.withLock { $0.map(\.model) } }

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

  /// Loads a model, beside what is being written.
  ///
  /// - Parameters:
  ///   - path: a folder or a .gguf file.
  ///   - adapter: what it was tuned to; nil for the model alone.
  ///   - name: what requests call it; nil for the usual name.
  /// - Returns: the model.
  /// - Throws: `CommandFailure` where the name is taken or there is no room; what opening throws.
  func load(
    _ path: String,
    adapter: String? = nil,
    name: String? = nil
  ) async throws -> ServedModel {
    let name = name ?? Self.name(ofPath: path, adapter: adapter)
    // One after the other: the room that one finds is its own.
    return try await loader.perform { [self] in
      guard !all.contains(where: { $0.name == name }) else { throw Self.taken(name) }
      let file = try ModelFile(path: path)
      let task = try adapter.map { try TaskFile(path: $0) }
      try file.pretrained.requireDecoder()
      if case .scales(let scales)? = task?.content, let base = base(at: path) {
        return try share(base, scales, task?.path ?? "", name, file)
      }
      let served = try ServedModel(name, file.pretrained, settings)
      let memory = ModelMemory(
        file,
        computation: settings.computation,
        places: settings.parallel,
        contextLength: served.contextLength,
        precision: settings.precision ?? file.cachePrecision
      )
      try memory.check(name, limit: settings.memory, used: memoryInUse)
      let canShare = settings.sharesBase && task == nil
      let shared = canShare ? try file.makeSharedModel(cache: settings.precision) : nil
      let loaded = LoadedModel(
        served: served,
        model: try shared?.model
          ?? file.makeModel(settings.computation, adapter: task, cache: settings.precision),
        layers: shared?.layers
      )
      if shared != nil { bases.withLock { $0[OutputFolder.resolved(path)] = name } }
      metrics.note(name, writing: 0, waiting: 0)
      // Requests find the model after this message: theirs come later.
      engine.post { [settings] in $0.add(loaded, settings) }
      models.withLock { $0.append((served, memory.total)) }
      // The other half is in use.
      MemoryPool.waitingLimit = max(MemoryPool.waitingLimit ?? 0, memory.buffers / 2)
      return served
    }
  }

  /// The base at a path that tasks may share; nil where there is none.
  private func base(at path: String) -> String? {
    bases.withLock { $0[OutputFolder.resolved(path)] }
  }

  /// Adds a task to a base that is loaded.
  private func share(
    _ base: String,
    _ scales: ScaleAdapter,
    _ adapter: String,
    _ name: String,
    _ file: ModelFile
  ) throws -> ServedModel {
    // Keys and values of an earlier task of that name are none of this one's.
    let id = "\(name)#\(jobCount.wrappingAdd(1, ordering: .relaxed).newValue)"
    let served = try ServedModel(name, file.pretrained, settings, base: base, task: id)
    let memory = 4 * scales.count
    guard memory <= settings.memory - memoryInUse else {
      throw CommandFailure(
        "\(name) needs \(byteCount(memory)) for its scales, and "
          + "\(byteCount(max(settings.memory - memoryInUse, 0))) are free; unload a model, or raise "
          + "--memory"
      )
    }
    var task = scales
    task.task = id
    // The engine's thread alone touches the layers.
    let outcome = Outcome()
    engine.post { [task] models in
      do throws(ScaleAdapterError) {
        try models.add(task, as: name, to: base)
        outcome.set(.success(()))
      } catch {
        outcome.set(.failure(error))
      }
    }
    do throws(ScaleAdapterError) { try outcome.get() } catch {
      throw CommandFailure("\(adapter): \(error)")
    }
    metrics.note(name, writing: 0, waiting: 0)
    models.withLock { $0.append((served, memory)) }
    return served
  }

  /// What the loaded models need.
  private var memoryInUse: Int { models.withLock { $0.reduce(0) { $0 + $1.memory } } }

  static func taken(_ name: String) -> CommandFailure {
    CommandFailure("a model '\(name)' is loaded already; choose another name")
  }

  /// Takes a model out of memory; texts that it is writing are broken off.
  ///
  /// - Throws: `APIError` where there is no such model, and for a base that tasks share.
  func unload(_ name: String) async throws {
    try await loader.perform { [self] in
      let model = try model(name)
      let tasks = all.filter { $0.base == name && $0.name != name }.map(\.name)
      guard tasks.isEmpty else {
        throw APIError.invalid(
          "\(name) is the base of \(tasks.joined(separator: ", ")); unload these first",
          parameter: "model"
        )
      }
      models.withLock { $0.removeAll { $0.model.name == name } }
      if let task = model.task {
        engine.post { $0.remove(task: task, of: model.base) }
      } else {
        bases.withLock { bases in bases = bases.filter { $0.value != name } }
        engine.post { $0.remove(name) }
      }
      metrics.forget(name)
    }
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
    let stay = Stay(model, count)
    let jobs = (0..<count).map { choice in
      Job(
        id: jobCount.wrappingAdd(1, ordering: .relaxed).newValue,
        model: model.name,
        task: model.task,
        choice: choice,
        prompt: request.prompts[choice / request.choices],
        options: request.options,
        stopTexts: request.stopTexts,
        start: start,
        stay: stay,
        events: continuation
      )
    }
    let (name, engine) = (model.base, engine)
    let ids = Set(jobs.map(\.id))
    continuation.onTermination = { _ in
      stay.endAll()
      engine.post { $0.cancel(ids, of: name) }
    }
    // A message that comes after the engine's end is dropped, and with it the last who could speak.
    engine.post { $0.submit(jobs, to: name) }
    return (stream, { continuation.finish() })
  }
}

/// A model on its way from the thread that has loaded it to the one that uses it.
///
/// `@unchecked Sendable`: the loader keeps no reference to the model.
struct LoadedModel: @unchecked Sendable {
  let served: ServedModel
  let model: DecoderModel
  /// What tasks that share the model are added to; nil where none may.
  let layers: ScaleTunedLayers?
}

/// What a message to the engine came to, for the thread that waits for it.
private final class Outcome: Sendable {
  private let result = Mutex<Result<Void, ScaleAdapterError>?>(nil)
  private let bell = DispatchSemaphore(value: 0)

  func set(_ result: Result<Void, ScaleAdapterError>) {
    self.result.withLock { $0 = result }
    bell.signal()
  }

  /// - Throws: why the task was refused; one whose server is being stopped is.
  func get() throws(ScaleAdapterError) {
    guard bell.wait(timeout: .now() + .seconds(60)) == .success,
      let result = result.withLock({ $0 })
    else { throw .nothingToTune("the server is being stopped") }
    try result.get()
  }
}
