import Foundation
import SwiftProtobuf

/// From a message to its reply.
extension FlowerNode {
  /// How often a reply is registered anew when the server did not store all its objects.
  private static let pushAttempts = 5
  /// How many runs are remembered.
  private static let mostRuns = 64

  private var journal: MessageJournal? { configuration.journal.map(MessageJournal.init(path:)) }

  /// Fetches a message's objects, answers it, and sends the reply.
  ///
  /// - Throws: What the node cannot go on after; a message that cannot be answered is dropped.
  func serve(_ message: WireMessage, _ tree: WireObjectTree) async throws(FlowerError) {
    let metadata = message.metadata
    do throws(FlowerError) {
      let run = try await run(metadata.runID)
      var entry = JournalEntry()
      entry.message = message
      entry.rootID = tree.objectID
      let objects: [FlowerObject]
      do throws(FlowerError) {
        objects = try await fetch(tree.ids(limits: configuration.limits), run: run.id)
      } catch {
        guard let failure = error.messageFailure else { throw error }
        try await send(.failure(failure), to: &entry, seconds: 0)
        return
      }
      let bytes = objects.reduce(0) { $0 + $1.bytes.count }
      log(.received(type: metadata.messageType, run: run.id, bytes: bytes))
      entry.objects = objects.map(JournalStoredObject.init)
      entry.attempts = 1
      remember(entry)
      _ = try await call(.confirm) { node in
        .with { ($0.node, $0.runID, $0.messageObjectID) = (node, run.id, tree.objectID) }
      }
      try await answer(&entry, objects, run)
    } catch {
      try drop(metadata, error)
    }
  }

  /// The number that the node had when it began the work that its journal remembers.
  var journaledID: UInt64? {
    guard let entry = try? journal?.load(limits: configuration.limits) else { return nil }
    return entry.message.metadata.dstNodeID
  }

  /// Takes up what an earlier process left.
  func resume() async throws(FlowerError) {
    guard let journal else { return }
    do throws(FlowerError) {
      guard var entry = try journal.load(limits: configuration.limits) else { return }
      let metadata = entry.message.metadata
      guard metadata.dstNodeID == id, fleet.clock.now < metadata.createdAt + metadata.ttl else {
        journal.clear()
        return
      }
      log(.resuming(type: metadata.messageType, run: metadata.runID))
      do throws(FlowerError) {
        try await resume(&entry)
      } catch {
        try drop(metadata, error)
      }
    } catch {
      guard case .journal = error else { throw error }
      log(.journalFailed(reason: "\(error)"))
      journal.clear()
    }
  }

  private func resume(_ entry: inout JournalEntry) async throws(FlowerError) {
    if entry.hasReply {
      try await push(entry.reply, for: entry.message.metadata)
    } else if entry.attempts >= MessageJournal.mostAttempts {
      let failure = FlowerFailure(
        .applicationCrashed,
        "the node ended \(entry.attempts) times while it worked on this message"
      )
      try await send(.failure(failure), to: &entry, seconds: 0)
    } else {
      let run = try await run(entry.message.metadata.runID)
      var objects: [FlowerObject] = []
      for stored in entry.objects {
        objects.append(try FlowerObject(stored.content, id: stored.objectID))
      }
      entry.attempts += 1
      remember(entry)
      try await answer(&entry, objects, run)
    }
  }

  /// Gives up on one message; throws what concerns the node as a whole.
  private func drop(_ metadata: WireMetadata, _ error: FlowerError) throws(FlowerError) {
    switch error {
    case .cancelled, .unauthenticated, .unreachable, .noSuchCall: throw error
    case .invalidAddress, .certificate, .keyFile, .refused, .malformedAnswer, .malformedObject,
      .missingObject, .tooLarge, .unsupportedArray, .invalidMetric, .replyNotStored, .journal:
      journal?.clear()
      log(.dropped(type: metadata.messageType, run: metadata.runID, reason: "\(error)"))
    }
  }

  private func remember(_ entry: JournalEntry) {
    do throws(FlowerError) {
      try journal?.save(entry)
    } catch {
      log(.journalFailed(reason: "\(error)"))
    }
  }

  // MARK: - Runs and objects

  private func run(_ id: UInt64) async throws(FlowerError) -> FlowerRun {
    if let known = runs[id] { return known }
    let run = FlowerRun(try await fetchRun(id))
    if runs.count >= Self.mostRuns { runs.removeAll() }
    runs[id] = run
    return run
  }

  func fetchRun(_ id: UInt64) async throws(FlowerError) -> WireRun {
    let answer = try await call(.run) { node in
      .with { ($0.node, $0.runID) = (node, id) }
    }
    return answer.run
  }

  private func fetch(_ ids: [String], run: UInt64) async throws(FlowerError) -> [FlowerObject] {
    let limit = configuration.limits.messageBytes
    var bytes = 0
    return try await inParallel(ids, width: configuration.parallelTransfers) {
      (id) async throws(FlowerError) in
      try await self.fetchObject(id, run: run)
    } check: { (object) throws(FlowerError) in
      bytes += object.bytes.count
      guard bytes <= limit else { throw .tooLarge(what: "message, in bytes", limit: limit) }
    }
  }

  private func fetchObject(_ id: String, run: UInt64) async throws(FlowerError) -> FlowerObject {
    var wait = configuration.retries.firstWait
    for _ in 0..<configuration.objectAttempts {
      let answer = try await call(.pullObject) { node in
        .with { ($0.node, $0.runID, $0.objectID) = (node, run, id) }
      }
      guard answer.objectFound else { throw .missingObject(id: id) }
      if answer.objectAvailable { return try FlowerObject(answer.objectContent, id: id) }
      try await sleep(fleet.jittered(wait, by: 0.2))
      wait = min(wait * 2, .seconds(10))
    }
    throw .missingObject(id: id)
  }

  // MARK: - Replies

  private func answer(
    _ entry: inout JournalEntry,
    _ objects: [FlowerObject],
    _ run: FlowerRun
  ) async throws(FlowerError) {
    let metadata = entry.message.metadata
    guard isInTime(metadata) else { return }
    let start = ContinuousClock.now
    var decoder = ObjectDecoder(objects, limits: configuration.limits)
    let reply: FlowerReply
    do throws(FlowerError) {
      switch try decoder.reply(entry.rootID) {
      case .failure(let failure): reply = .failure(failure)
      case .content(let content):
        let request = FlowerRequest(
          type: metadata.messageType,
          id: metadata.messageID,
          group: metadata.groupID,
          run: run,
          content: content,
          deadline: metadata.createdAt + metadata.ttl
        )
        reply = await handled(request)
      }
    } catch {
      guard let failure = error.messageFailure else { throw error }
      reply = .failure(failure)
    }
    // The end of this process is no result of the work; a successor finds it in the journal.
    if Task.isCancelled { throw .cancelled }
    let seconds = start.duration(to: .now) / .seconds(1)
    try await send(reply, to: &entry, seconds: seconds)
  }

  private nonisolated func handled(_ request: FlowerRequest) async -> FlowerReply {
    guard let handler = handlers[request.type] else {
      let known = handlers.types.joined(separator: ", ")
      return .failure(
        FlowerFailure(
          .preconditionFailed,
          "no handler for messages of type \(request.type), this node has \(known)"
        )
      )
    }
    do {
      return try await withTaskExecutorPreference(thread) {
        .content(try await handler(request))
      }
    } catch let failure as FlowerFailure {
      return .failure(failure)
    } catch {
      return .failure(FlowerFailure(.applicationFailed, "\(error)"))
    }
  }

  /// Makes the objects of a reply and pushes them.
  private func send(
    _ reply: FlowerReply,
    to entry: inout JournalEntry,
    seconds: Double
  ) async throws(FlowerError) {
    let message = entry.message.metadata
    guard isInTime(message) else { return }
    let metadata = replyMetadata(to: message)
    do throws(FlowerError) {
      entry.reply = try JournalReply(reply, metadata, seconds: seconds)
    } catch {
      entry.reply = try JournalReply(
        .failure(FlowerFailure(.applicationFailed, "\(error)")),
        metadata,
        seconds: seconds
      )
    }
    entry.objects = []
    remember(entry)
    try await push(entry.reply, for: message)
  }

  /// Whether a reply would still count; forgets the message if not.
  private func isInTime(_ message: WireMetadata) -> Bool {
    if fleet.clock.now < message.createdAt + message.ttl { return true }
    journal?.clear()
    let reason = "the time of the message is over"
    log(.dropped(type: message.messageType, run: message.runID, reason: reason))
    return false
  }

  private func replyMetadata(to message: WireMetadata) -> WireMetadata {
    let now = fleet.clock.now
    var reply = WireMetadata()
    reply.runID = message.runID
    reply.srcNodeID = message.dstNodeID
    reply.dstNodeID = message.srcNodeID
    reply.replyToMessageID = message.messageID
    reply.groupID = message.groupID
    reply.messageType = message.messageType
    reply.createdAt = now
    reply.ttl = message.createdAt + message.ttl - now
    if message.hasSrcTaskID { reply.dstTaskID = message.srcTaskID }
    if message.hasDstTaskID { reply.srcTaskID = message.dstTaskID }
    return reply
  }

  private func push(
    _ reply: JournalReply,
    for message: WireMetadata
  ) async throws(FlowerError) {
    let contents = Dictionary(
      reply.objects.map { ($0.objectID, $0.content) },
      uniquingKeysWith: { first, _ in first }
    )
    for _ in 0..<Self.pushAttempts {
      let answer = try await call(.pushMessages) { node in
        .with {
          $0.node = node
          $0.messagesList = [reply.message]
          $0.messageObjectTrees = [reply.tree]
          $0.clientappRuntimeList = [reply.seconds]
        }
      }
      let stored = try await inParallel(
        answer.objectsToPush,
        width: configuration.parallelTransfers
      ) { (id) async throws(FlowerError) in
        guard let content = contents[id] else { throw .missingObject(id: id) }
        return try await self.pushObject(id, content, message.runID, answer.sessionID)
      }
      guard stored.allSatisfy({ $0 }) else { continue }
      finish(reply, message, bytes: contents.values.reduce(0) { $0 + $1.count })
      return
    }
    throw .replyNotStored(messageID: reply.tree.objectID)
  }

  private func pushObject(
    _ id: String,
    _ content: Data,
    _ run: UInt64,
    _ session: String
  ) async throws(FlowerError) -> Bool {
    let answer = try await call(.pushObject) { node in
      .with {
        ($0.node, $0.runID, $0.objectID) = (node, run, id)
        ($0.objectContent, $0.sessionID) = (content, session)
      }
    }
    return answer.stored
  }

  private func finish(_ reply: JournalReply, _ message: WireMetadata, bytes: Int) {
    journal?.clear()
    lastReply = (message.runID, .now)
    let (type, run) = (message.messageType, message.runID)
    if reply.message.hasError {
      log(.failed(type: type, run: run, failure: FlowerFailure(reply.message.error)))
    } else {
      log(.replied(type: type, run: run, bytes: bytes, seconds: reply.seconds))
    }
  }
}

extension JournalReply {
  /// The objects of a reply, and the message that is pushed for them.
  init(_ reply: FlowerReply, _ metadata: WireMetadata, seconds: Double) throws(FlowerError) {
    var encoder = ObjectEncoder()
    let id = try encoder.add(metadata, reply)
    self.init()
    message.metadata = metadata
    message.metadata.messageID = id
    // Content must be there and empty: it travels as objects.
    switch reply {
    case .content: message.content = WireRecordDict()
    case .failure(let failure): message.error = failure.wire
    }
    tree = encoder.tree(of: id)
    objects = encoder.objects.map(JournalStoredObject.init)
    self.seconds = seconds
  }
}

extension FlowerError {
  /// What the strategy is told when a message's content is of no use.
  fileprivate var messageFailure: FlowerFailure? {
    switch self {
    case .malformedObject, .missingObject, .tooLarge, .unsupportedArray:
      FlowerFailure(.messageUnavailable, "\(self)")
    case .invalidAddress, .certificate, .keyFile, .unreachable, .unauthenticated, .noSuchCall,
      .refused, .malformedAnswer, .invalidMetric, .replyNotStored, .journal, .cancelled:
      nil
    }
  }
}
