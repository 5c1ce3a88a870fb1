import Checkpoints
import GUIGrounding
import TestSupport

@testable import GUIGroundingRemote

/// What the tests of a policy have in common.
enum Scene {
  static let image = RGBImage(
    size: PixelSize(width: 112, height: 84),
    color: RGBColor(200, 210, 220)
  )
  static let request = GroundingRequest(image: image, instruction: "click \"Save\"")

  static let plainFamily = VisionModelFamily(
    "plain",
    template: .plainPoint,
    coordinates: CoordinateConvention(.inputPixels),
    resize: .none
  )

  /// Times that a busy machine keeps too; retries that do not wait.
  static func limits(
    connect: Double = 30,
    total: Double = 60,
    concurrent: Int = 4,
    bytes: Int = 1 << 20,
    retries: Int = 4
  ) -> ChatLimits {
    ChatLimits(
      connectSeconds: connect,
      requestSeconds: total,
      concurrentRequests: concurrent,
      replyByteCount: bytes,
      retries: RetrySettings(limit: retries)
    )
  }

  static func policy(
    _ server: MockServer,
    choices: ChoiceSupport = .any,
    family: VisionModelFamily = plainFamily,
    limits: ChatLimits = limits(),
    cache: CacheUse = .off,
    key: String? = nil,
    pause: @escaping @Sendable (Double) async throws -> Void = { _ in },
    willRetry: @escaping @Sendable (ChatRetry) -> Void = { _ in }
  ) throws -> RemoteGroundingPolicy {
    var chat = ChatServer(baseURL: server.baseURL, model: "m", choices: choices)
    chat.keyVariable = key == nil ? nil : "TEST_KEY"
    return try RemoteGroundingPolicy(
      server: chat,
      family: family,
      limits: limits,
      cache: cache,
      environment: key.map { ["TEST_KEY": $0] } ?? [:],
      pause: pause,
      willRetry: willRetry
    )
  }
}
