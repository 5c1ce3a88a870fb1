import Foundation
import SwiftProtobuf

/// A call of the server's Fleet API, with the messages that it takes and returns.
struct FleetCall<Request: SwiftProtobuf.Message, Answer: SwiftProtobuf.Message>: Sendable {
  /// The last part of the path.
  let name: String
  /// How long the server may take.
  let timeout: Duration

  fileprivate init(_ name: String, timeout: Duration = .seconds(30)) {
    self.name = name
    self.timeout = timeout
  }
}

extension FleetCall<WireRegisterNodeFleetRequest, WireRegisterNodeFleetResponse> {
  static var register: Self { Self("register-node") }
}
extension FleetCall<WireActivateNodeRequest, WireActivateNodeResponse> {
  static var activate: Self { Self("activate-node") }
}
extension FleetCall<WireDeactivateNodeRequest, WireDeactivateNodeResponse> {
  static var deactivate: Self { Self("deactivate-node") }
}
extension FleetCall<WireUnregisterNodeFleetRequest, WireUnregisterNodeFleetResponse> {
  static var unregister: Self { Self("unregister-node") }
}
extension FleetCall<WireSendNodeHeartbeatRequest, WireSendNodeHeartbeatResponse> {
  static var heartbeat: Self { Self("send-node-heartbeat", timeout: .seconds(5)) }
}
extension FleetCall<WirePullMessagesRequest, WirePullMessagesResponse> {
  static var pullMessages: Self { Self("pull-messages") }
}
extension FleetCall<WirePushMessagesRequest, WirePushMessagesResponse> {
  static var pushMessages: Self { Self("push-messages") }
}
extension FleetCall<WireGetRunRequest, WireGetRunResponse> {
  static var run: Self { Self("get-run") }
}
extension FleetCall<WirePullObjectRequest, WirePullObjectResponse> {
  static var pullObject: Self { Self("pull-object") }
}
extension FleetCall<WirePushObjectRequest, WirePushObjectResponse> {
  static var pushObject: Self { Self("push-object") }
}
extension FleetCall<WireConfirmMessageReceivedRequest, WireConfirmMessageReceivedResponse> {
  static var confirm: Self { Self("confirm-message-received") }
}
