/// How much a node accepts from a server.
public struct FlowerLimits: Sendable, Hashable, Codable {
  /// The most bytes of one answer; chunks of arrays have 5,242,880.
  public var answerBytes: Int
  /// The most bytes of all objects of a message together, and of the arrays that they decode to.
  public var messageBytes: Int
  /// The most objects of a message.
  public var objectCount: Int

  /// Limits; the defaults are 64 MiB, 2 GiB and 65,536.
  public init(
    answerBytes: Int = 64 << 20,
    messageBytes: Int = 2 << 30,
    objectCount: Int = 1 << 16
  ) {
    self.answerBytes = answerBytes
    self.messageBytes = messageBytes
    self.objectCount = objectCount
  }
}
