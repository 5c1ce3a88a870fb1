import SwiftProtobuf

/// A node of a Flower federation: it fetches messages, lets handlers answer them, and sends replies.
///
///     let node = FlowerNode(
///       identity: try .loadOrCreate(path: "node.pem"),
///       transport: try HTTPFlowerTransport(address: "https://superlink:8000", authority: "ca.pem"),
///       handlers: FlowerHandlers(train: { request in … }),
///       log: { print($0) }
///     )
///     try await node.run()
///
/// The server is a SuperLink of Flower 1.40 or later with any strategy of its own; this side needs
/// no Python and no application bundle. The node sends signs of life while handlers compute,
/// survives interruptions of the network, comes back after the server counted it as gone, and, with
/// a journal, finishes what an earlier process was working on.
///
/// - Source: Flower 1.42, Fleet API.
public actor FlowerNode {
  /// The key by which the server knows the node.
  public nonisolated let identity: FlowerIdentity
  /// The number that the server gave the node; nil before it is active.
  public private(set) var id: UInt64?

  let fleet: FleetClient
  let configuration: FlowerNodeConfiguration
  let handlers: FlowerHandlers
  let log: @Sendable (FlowerEvent) -> Void
  let thread = HandlerThread()
  var runs: [UInt64: FlowerRun] = [:]
  var lastReply: (run: UInt64, time: ContinuousClock.Instant)?

  private var isStopping = false
  private var sleeping: Task<Void, Never>?
  private var activation: Task<Result<UInt64, FlowerError>, Never>?

  /// A node; `run()` starts it.
  ///
  /// - Parameters:
  ///   - identity: The key.
  ///   - transport: The way to the server.
  ///   - configuration: How the node behaves.
  ///   - handlers: What the node does with messages.
  ///   - log: Gets what happens, from any thread.
  public init(
    identity: FlowerIdentity,
    transport: any FlowerTransport,
    configuration: FlowerNodeConfiguration = FlowerNodeConfiguration(),
    handlers: FlowerHandlers,
    log: @escaping @Sendable (FlowerEvent) -> Void = { _ in }
  ) {
    self.init(
      fleet: FleetClient(
        identity: identity,
        transport: transport,
        configuration: configuration,
        log: log
      ),
      configuration: configuration,
      handlers: handlers,
      log: log
    )
  }

  init(
    fleet: FleetClient,
    configuration: FlowerNodeConfiguration,
    handlers: FlowerHandlers,
    log: @escaping @Sendable (FlowerEvent) -> Void
  ) {
    identity = fleet.identity
    self.fleet = fleet
    self.configuration = configuration
    self.handlers = handlers
    self.log = log
  }

  // MARK: - Life

  /// Takes part in the federation until `stop()` is called or the task is cancelled.
  ///
  /// - Throws: `FlowerError` when the server refuses the node, or patience with an unreachable one
  ///   ends; `.cancelled` when the task was cancelled.
  public func run() async throws(FlowerError) {
    try await activate()
    let heartbeats = Task { await self.beat() }
    let outcome: Result<Void, FlowerError>
    do throws(FlowerError) {
      try await resume()
      try await work()
      await lingerForStrategy()
      outcome = .success(())
    } catch {
      outcome = .failure(error)
    }
    heartbeats.cancel()
    await leave()
    log(.left)
    try outcome.get()
    if Task.isCancelled { throw .cancelled }
  }

  /// Asks the node to leave.
  ///
  /// It finishes the reply it works on, waits until the strategy could fetch it, and deactivates. A
  /// stopped node does not run again.
  public func stop() {
    isStopping = true
    sleeping?.cancel()
    fleet.hurry()
  }

  private func work() async throws(FlowerError) {
    var pause = configuration.pollInterval
    while !isStopping, !Task.isCancelled {
      let answer = try await call(.pullMessages) { node in .with { $0.node = node } }
      for (message, tree) in zip(answer.messagesList, answer.messageObjectTrees) {
        try await serve(message, tree)
      }
      if answer.messagesList.isEmpty {
        await rest(fleet.jittered(pause, by: 0.1))
        pause = min(pause * 1.25, configuration.longestPollInterval)
      } else {
        pause = configuration.pollInterval
      }
    }
  }

  /// Sleeps; `stop()` and a cancelled task end that.
  private func rest(_ duration: Duration) async {
    guard !isStopping else { return }
    let task = Task<Void, Never> { try? await Task.sleep(for: duration) }
    sleeping = task
    await withTaskCancellationHandler {
      await task.value
    } onCancel: {
      task.cancel()
    }
    sleeping = nil
  }

  /// A strategy polls for replies; one from a node that left before counts as lost.
  private func lingerForStrategy() async {
    guard let lastReply, !Task.isCancelled else { return }
    let end = lastReply.time + configuration.linger
    while ContinuousClock.now < end, !Task.isCancelled {
      try? await Task.sleep(for: min(.seconds(1), ContinuousClock.now.duration(to: end)))
      do throws(FlowerError) {
        _ = try await fetchRun(lastReply.run)
      } catch {
        if error.isEndOfRun { return }
      }
    }
  }

  /// Leaves the federation in a task of its own, because a cancelled one makes no calls.
  private func leave() async {
    guard let id else { return }
    fleet.hurry()
    let isOpen = configuration.admission == .open
    let fleet = fleet
    await Task {
      _ = try? await fleet.callOnce(.deactivate, .with { $0.nodeID = id })
      if isOpen { _ = try? await fleet.callOnce(.unregister, .with { $0.nodeID = id }) }
    }.value
    self.id = nil
  }

  // MARK: - Being known

  /// Makes a call as this node; one that is refused because the server does not know the node is
  /// made once more after a new activation.
  func call<Request, Answer>(
    _ call: FleetCall<Request, Answer>,
    _ request: (WireNode) -> Request
  ) async throws(FlowerError) -> Answer {
    do throws(FlowerError) {
      return try await fleet.call(call, request(node))
    } catch {
      guard case .unauthenticated = error else { throw error }
    }
    log(.reactivating)
    try await activate()
    return try await fleet.call(call, request(node))
  }

  private var node: WireNode { .with { $0.nodeID = id ?? 0 } }

  /// Registers where nodes do that themselves, and activates; callers share one attempt.
  private func activate() async throws(FlowerError) {
    let task = activation ?? Task { await self.join() }
    activation = task
    let outcome = await withTaskCancellationHandler {
      await task.value
    } onCancel: {
      task.cancel()
    }
    if activation == task { activation = nil }
    let id = try outcome.get()
    if self.id != id { log(.activated(nodeID: id)) }
    self.id = id
  }

  private func join() async -> Result<UInt64, FlowerError> {
    do throws(FlowerError) {
      let isKnown = configuration.admission == .open ? try await register() : false
      if let id = await stillActive() { return .success(id) }
      return .success(try await activated(isKnown: isKnown))
    } catch {
      return .failure(error)
    }
  }

  /// The number under which an earlier process of this node is active still; nil if it is not.
  ///
  /// The server activates no node that it takes for active, and only as that node can its unfinished
  /// work be answered. The journal knows the number.
  private func stillActive() async -> UInt64? {
    guard id == nil, let former = journaledID else { return nil }
    let interval = configuration.heartbeatInterval / .seconds(1)
    do throws(FlowerError) {
      let answer = try await fleet.callOnce(
        .heartbeat,
        .with { ($0.node, $0.heartbeatInterval) = (.with { $0.nodeID = former }, interval) }
      )
      return answer.success ? former : nil
    } catch {
      return nil
    }
  }

  /// Activates; where an earlier process of the node counts as active, as soon as it does not.
  ///
  /// After two intervals without a sign of life a node counts as gone. A server that does not know the
  /// key refuses with the same code, so that one is asked for.
  private func activated(isKnown: Bool) async throws(FlowerError) -> UInt64 {
    let (key, interval) = (identity.publicKey, configuration.heartbeatInterval)
    let end = ContinuousClock.now + (interval * 2 + .seconds(10))
    var isKnown = isKnown
    while true {
      do throws(FlowerError) {
        return try await fleet.call(
          .activate,
          .with { ($0.publicKey, $0.heartbeatInterval) = (key, interval / .seconds(1)) }
        ).nodeID
      } catch {
        guard case .refused(_, 412, 2004, _) = error, ContinuousClock.now < end, !isStopping
        else { throw error }
        if !isKnown { isKnown = await isRegistered() }
        guard isKnown else { throw error }
      }
      log(.reactivating)
      try await sleep(interval / 6)
    }
  }

  /// Whether the server knows the key of a node that it does not activate.
  ///
  /// It looks for the key before it looks at the interval, which is out of range here.
  private func isRegistered() async -> Bool {
    let key = identity.publicKey
    do throws(FlowerError) {
      _ = try await fleet.callOnce(
        .activate,
        .with { ($0.publicKey, $0.heartbeatInterval) = (key, 0) }
      )
      return true
    } catch {
      guard case .refused(_, 400, 2003, _) = error else { return false }
      return true
    }
  }

  /// Registers.
  ///
  /// - Returns: whether the server knew the key: the node comes back.
  private func register() async throws(FlowerError) -> Bool {
    let key = identity.publicKey
    do throws(FlowerError) {
      _ = try await fleet.call(.register, .with { $0.publicKey = key })
      return false
    } catch {
      // The key of a node that comes back is in use: by this node.
      guard case .refused(_, 412, 23, _) = error else { throw error }
      return true
    }
  }

  /// Sends signs of life until the task is cancelled.
  private func beat() async {
    let interval = configuration.heartbeatInterval
    var pause = fleet.jittered(interval * 0.8, by: 0.1)
    while !Task.isCancelled {
      try? await Task.sleep(for: pause)
      guard !Task.isCancelled else { return }
      let isHeard = await heartbeat(interval / .seconds(1))
      // After two intervals without one the node counts as gone: a lost one is repeated soon.
      pause = isHeard ? fleet.jittered(interval * 0.8, by: 0.1) : interval / 6
    }
  }

  private func heartbeat(_ interval: Double) async -> Bool {
    let node = node
    do throws(FlowerError) {
      let answer = try await fleet.callOnce(
        .heartbeat,
        .with { ($0.node, $0.heartbeatInterval) = (node, interval) }
      )
      if answer.success { return true }
    } catch {
      guard case .unauthenticated = error else {
        if error != .cancelled { log(.heartbeatFailed(reason: "\(error)")) }
        return false
      }
    }
    log(.reactivating)
    do throws(FlowerError) {
      try await activate()
      return true
    } catch {
      if error != .cancelled { log(.heartbeatFailed(reason: "\(error)")) }
      return false
    }
  }
}
