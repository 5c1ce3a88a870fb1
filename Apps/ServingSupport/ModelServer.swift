import NIOCore
import ServiceLifecycle
package import Support

/// A server with its models, from its start to its end.
package struct ModelServer: Sendable {
  private let models: [String]
  private let adapters: [String]
  private let shelf: ModelShelf
  private let service: ServiceGroup
  /// The address as it stands in a URL, its port included.
  private let place: String
  private let tell: @Sendable (String) -> Void

  /// A server that has not started.
  ///
  /// - Parameters:
  ///   - models: the paths of models; each is served alone and with each adapter.
  ///   - adapters: the paths of adapters.
  ///   - settings: how models are served.
  ///   - host: the address to listen at.
  ///   - port: the port; 0 takes a free one.
  ///   - tell: told what is loaded, and the address.
  ///   - log: told of each request.
  /// - Throws: `CommandFailure` where two models would have one name.
  package init(
    models: [String],
    adapters: [String],
    settings: ServingSettings,
    host: String,
    port: Int,
    tell: @escaping @Sendable (String) -> Void,
    log: @escaping @Sendable (String) -> Void
  ) throws(CommandFailure) {
    let names = models.flatMap { model in
      ([nil] + adapters).map { ModelShelf.name(ofPath: model, adapter: $0) }
    }
    for (index, name) in names.enumerated() where names[..<index].contains(name) {
      throw ModelShelf.taken(name)
    }
    (self.models, self.adapters, self.tell) = (models, adapters, tell)
    let name = host.contains(":") ? "[\(host)]" : host
    place = "\(name):\(port)"
    shelf = ModelShelf(settings: settings, metrics: ServerMetrics())
    let server = APIServer(responder: APIResponder(shelf: shelf, log: log), host: host, port: port)
    service = server.makeService { tell("listening at http://\(name):\($0)") }
  }

  /// Loads the models and serves them until `stop()`.
  ///
  /// - Throws: why a model cannot be loaded, or nobody can listen there.
  package func run() async throws {
    for model in models {
      for adapter in [nil] + adapters.map(Optional.some) {
        let served = try await shelf.load(model, adapter: adapter)
        tell("loaded \(served.name)")
      }
    }
    do { try await service.run() } catch {
      let reason = (error as? IOError).map { systemMessage($0.errnoCode) } ?? "\(error)"
      throw CommandFailure("cannot listen at \(place): \(reason)")
    }
  }

  /// Breaks all texts off: who reads one is told before his connection is closed.
  package func breakOff() { shelf.engine.close() }

  /// Lets nobody in any more; `run()` returns when all answers are given.
  package func stop() async { await service.triggerGracefulShutdown() }
}
