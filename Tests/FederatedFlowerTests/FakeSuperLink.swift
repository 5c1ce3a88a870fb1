import Crypto
import Foundation
import SwiftProtobuf
import Testing

@testable import FederatedFlower

/// A server that keeps the rules of Flower's Fleet API in memory.
actor FakeSuperLink: FlowerTransport {
  /// What goes wrong with a call.
  enum Fault: Sendable {
    /// The server answers so and does nothing.
    case status(Int, json: String = "{}")
    /// The call never arrives.
    case lost
    /// The server does its work, but the answer is lost.
    case answerLost
    /// The answer has these bytes.
    case garbage([UInt8])
  }

  private let run: UInt64 = 77
  private let isOpen: Bool
  /// How far the server's clock is ahead of this system's.
  private let ahead: Double
  private var faults: [String: [Fault]] = [:]
  private var nodes: [Data: UInt64] = [:]
  private var active: Set<UInt64> = []
  private var waiting: [(WireMessage, WireObjectTree)] = []
  private var objects: [String: Data] = [:]
  private var unavailable: [String: Int] = [:]
  private var sessions: [String: Set<String>] = [:]
  private var pending: [String: WireMessage] = [:]
  private var forgotten = false
  private var isRunOver = false
  private(set) var calls: [String] = []
  private(set) var stamps: [String] = []
  private(set) var replies: [FlowerReply] = []
  private(set) var replyMetadata: [WireMetadata] = []

  init(isOpen: Bool = true, ahead: Double = 0) {
    self.isOpen = isOpen
    self.ahead = ahead
  }

  // MARK: - What a test arranges

  func fail(_ call: String, _ faults: Fault...) { self.faults[call, default: []] += faults }

  func register(_ identity: FlowerIdentity) { nodes[identity.publicKey] = 1000 }

  func endRun() { isRunOver = true }

  /// The next sign of life is answered as by a server that counts the node as gone.
  func forget() { forgotten = true }

  /// Counts all nodes as gone: their leases have ended.
  func endLeases() { active = [] }

  func count(_ call: String) -> Int { calls.count { $0 == call } }

  /// Puts a message in the queue; `late` objects are not available at first.
  @discardableResult
  func post(
    _ type: String,
    _ content: FlowerContent,
    late: Int = 0,
    corrupt: Bool = false,
    ttl: Double = 3600
  ) throws -> WireMetadata {
    var metadata = WireMetadata()
    metadata.runID = run
    metadata.srcNodeID = 1
    metadata.dstNodeID = 1000
    metadata.groupID = "\(waiting.count + 1)"
    metadata.ttl = ttl
    metadata.messageType = type
    metadata.createdAt = now
    metadata.srcTaskID = 5
    var encoder = ObjectEncoder()
    let id = try encoder.add(metadata, .content(content))
    for object in encoder.objects { objects[object.id] = object.bytes }
    for object in encoder.objects.prefix(late) { unavailable[object.id] = 1 }
    if corrupt, let first = encoder.objects.first {
      objects[first.id] = Data([0]) + first.bytes.dropFirst()
    }
    metadata.messageID = id
    let message = WireMessage.with { ($0.metadata, $0.content) = (metadata, WireRecordDict()) }
    waiting.append((message, encoder.tree(of: id)))
    return metadata
  }

  /// Returns when that many replies are complete.
  func waitForReplies(_ count: Int) async throws {
    while replies.count < count { try await Task.sleep(for: .milliseconds(1)) }
  }

  // MARK: - The server

  private var now: Double { Date().timeIntervalSince1970 + ahead }

  func send(
    _ request: FlowerTransportRequest,
    timeout: Duration
  ) async throws(FlowerTransportFailure) -> FlowerTransportAnswer {
    if Task.isCancelled { throw FlowerTransportFailure(.cancelled, "cancelled") }
    calls.append(request.call)
    var fault: Fault?
    if var list = faults[request.call], !list.isEmpty {
      fault = list.removeFirst()
      faults[request.call] = list
    }
    switch fault {
    case .status(let status, let json): return answer(status, json)
    case .lost: throw FlowerTransportFailure(.transient, "connection refused")
    case .garbage(let bytes): return FlowerTransportAnswer(status: 200, body: Data(bytes))
    case .answerLost, nil: break
    }
    guard let result = try? handle(request) else { return answer(500, "{}") }
    if case .answerLost = fault { throw FlowerTransportFailure(.transient, "connection reset") }
    return result
  }

  private func answer(_ status: Int, _ json: String) -> FlowerTransportAnswer {
    FlowerTransportAnswer(status: status, headers: ["date": date], body: Data(json.utf8))
  }

  private func answer(_ status: Int, code: Int) -> FlowerTransportAnswer {
    answer(status, "{\"code\": \(code), \"detail\": \"no\", \"extra\": null}")
  }

  private func answer(_ message: some SwiftProtobuf.Message) throws -> FlowerTransportAnswer {
    let body: Data = try message.serializedBytes()
    return FlowerTransportAnswer(status: 200, headers: ["date": date], body: body)
  }

  /// RFC 9110's form of the server's time.
  private var date: String {
    let formatter = DateFormatter()
    formatter.locale = Locale(identifier: "en_US_POSIX")
    formatter.timeZone = .gmt
    formatter.dateFormat = "EEE, dd MMM yyyy HH:mm:ss 'GMT'"
    return formatter.string(from: Date(timeIntervalSince1970: now))
  }

  private func handle(_ request: FlowerTransportRequest) throws -> FlowerTransportAnswer {
    let headers = Dictionary(uniqueKeysWithValues: request.headers.map { ($0.name, $0.value) })
    guard let key = authenticated(headers) else {
      return answer(401, "{\"detail\": \"Invalid SuperNode authentication\"}")
    }
    switch request.call {
    case "register-node":
      let call = try WireRegisterNodeFleetRequest(serializedBytes: request.body)
      guard call.publicKey == key else { return answer(401, "{}") }
      guard isOpen else { return answer(412, code: 2001) }
      guard nodes[key] == nil else { return answer(412, code: 23) }
      nodes[key] = UInt64(1000 + nodes.count)
      return try answer(WireRegisterNodeFleetResponse.with { $0.nodeID = nodes[key] ?? 0 })
    case "activate-node":
      let call = try WireActivateNodeRequest(serializedBytes: request.body)
      guard call.publicKey == key, let id = nodes[key] else { return answer(412, code: 2004) }
      guard 0 < call.heartbeatInterval, call.heartbeatInterval <= 1800 else {
        return answer(400, code: 2003)
      }
      guard active.insert(id).inserted else { return answer(412, code: 2004) }
      return try answer(WireActivateNodeResponse.with { $0.nodeID = id })
    default:
      guard let id = nodes[key] else { return answer(401, "{}") }
      return try handle(request, id)
    }
  }

  private func authenticated(_ headers: [String: String]) -> Data? {
    guard let key = headers["flwr-public-key"].flatMap({ Data(base64Encoded: $0) }),
      let bytes = headers["flwr-signature"].flatMap({ Data(base64Encoded: $0) }),
      let stamp = headers["flwr-timestamp"],
      let publicKey = try? P384.Signing.PublicKey(
        pemRepresentation: String(decoding: key, as: UTF8.self)
      ),
      let signature = try? P384.Signing.ECDSASignature(derRepresentation: bytes),
      publicKey.isValidSignature(signature, for: SHA256.hash(data: Data(stamp.utf8)))
    else { return nil }
    stamps.append(stamp)
    let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
    guard let time = try? style.parse(stamp) else { return nil }
    let age = now - time.timeIntervalSince1970
    return -5 < age && age < 305 ? key : nil
  }

  private func handle(
    _ request: FlowerTransportRequest,
    _ id: UInt64
  ) throws
    -> FlowerTransportAnswer
  {
    switch request.call {
    case "send-node-heartbeat":
      let call = try WireSendNodeHeartbeatRequest(serializedBytes: request.body)
      guard call.node.nodeID == id else { return answer(401, "{}") }
      defer { forgotten = false }
      if forgotten { active.remove(id) } else { active.insert(id) }
      return try answer(WireSendNodeHeartbeatResponse.with { $0.success = active.contains(id) })
    case "pull-messages":
      let call = try WirePullMessagesRequest(serializedBytes: request.body)
      guard call.node.nodeID == id else { return answer(401, "{}") }
      guard !waiting.isEmpty else { return try answer(WirePullMessagesResponse()) }
      let (message, tree) = waiting.removeFirst()
      pending[message.metadata.messageID] = message
      return try answer(
        WirePullMessagesResponse.with {
          ($0.messagesList, $0.messageObjectTrees) = ([message], [tree])
        }
      )
    case "deactivate-node":
      active.remove(id)
      return try answer(WireDeactivateNodeResponse())
    case "unregister-node":
      guard isOpen else { return answer(412, code: 2002) }
      nodes = nodes.filter { $0.value != id }
      return try answer(WireUnregisterNodeFleetResponse())
    default:
      return isRunOver ? answer(403, code: 2007) : try handleObjects(request)
    }
  }

  private func handleObjects(_ request: FlowerTransportRequest) throws -> FlowerTransportAnswer {
    switch request.call {
    case "get-run":
      let run = WireRun.with {
        ($0.runID, $0.fabID) = (self.run, "lab/app")
        $0.overrideConfig = ["rate": .with { $0.double = 0.5 }]
      }
      return try answer(WireGetRunResponse.with { $0.run = run })
    case "pull-object":
      let call = try WirePullObjectRequest(serializedBytes: request.body)
      let late = unavailable[call.objectID] ?? 0
      unavailable[call.objectID] = max(0, late - 1)
      return try answer(
        WirePullObjectResponse.with {
          $0.objectFound = objects[call.objectID] != nil
          $0.objectAvailable = $0.objectFound && late == 0
          if late == 0 { $0.objectContent = objects[call.objectID] ?? Data() }
        }
      )
    case "confirm-message-received":
      let call = try WireConfirmMessageReceivedRequest(serializedBytes: request.body)
      objects[call.messageObjectID] = nil
      return try answer(WireConfirmMessageReceivedResponse())
    case "push-messages":
      return try push(WirePushMessagesRequest(serializedBytes: request.body))
    case "push-object":
      let call = try WirePushObjectRequest(serializedBytes: request.body)
      return try answer(WirePushObjectResponse.with { $0.stored = store(call) })
    default: return answer(404, "{}")
    }
  }

  private var pushed: [String: (message: WireMessage, needs: Set<String>)] = [:]

  private func push(_ call: WirePushMessagesRequest) throws -> FlowerTransportAnswer {
    let message = try #require(call.messagesList.first)
    let tree = try #require(call.messageObjectTrees.first)
    guard message.hasContent != message.hasError, message.metadata.dstNodeID == 1,
      let original = pending[message.metadata.replyToMessageID],
      original.metadata.dstNodeID == message.metadata.srcNodeID,
      isInTime(message.metadata, original.metadata),
      tree.objectID == message.metadata.messageID
    else { return answer(500, "{}") }
    // A second, different reply to one message is not stored, and nothing is asked for.
    let others = pushed.values.filter {
      $0.message.metadata.replyToMessageID == original.metadata.messageID
        && $0.message.metadata.messageID != message.metadata.messageID
    }
    guard others.isEmpty else { return try answer(WirePushMessagesResponse()) }
    let ids = Set(try tree.ids(limits: FlowerLimits()))
    let missing = ids.filter { objects[$0] == nil }
    let session = UUID().uuidString
    sessions[session] = missing
    pushed[tree.objectID] = (message, ids)
    complete()
    return try answer(
      WirePushMessagesResponse.with {
        ($0.objectsToPush, $0.sessionID) = (missing.sorted(), session)
      }
    )
  }

  /// A reply must not live longer than the message that it answers.
  private func isInTime(_ reply: WireMetadata, _ original: WireMetadata) -> Bool {
    reply.createdAt + reply.ttl < original.createdAt + original.ttl + 1
  }

  private func store(_ call: WirePushObjectRequest) -> Bool {
    guard sessions[call.sessionID]?.contains(call.objectID) == true,
      FlowerObject.id(of: call.objectContent) == call.objectID
    else { return false }
    objects[call.objectID] = call.objectContent
    complete()
    return true
  }

  private func complete() {
    for (root, entry) in pushed where entry.needs.allSatisfy({ objects[$0] != nil }) {
      guard !replyMetadata.contains(where: { $0.messageID == root }) else { continue }
      let parts = entry.needs.compactMap { id in
        objects[id].flatMap { try? FlowerObject($0, id: id) }
      }
      var decoder = ObjectDecoder(parts, limits: FlowerLimits())
      guard let reply = try? decoder.reply(root) else { continue }
      replies.append(reply)
      replyMetadata.append(entry.message.metadata)
    }
  }
}
