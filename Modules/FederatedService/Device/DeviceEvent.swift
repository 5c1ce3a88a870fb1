/// What a device tells its log, a line each.
public enum DeviceEvent: Sendable, CustomStringConvertible {
  /// The server knows the device.
  case registered
  /// A result was sent, and the server has it.
  case sent(round: Int, byteCount: Int)
  /// A result that the server did not want any more.
  case dropped(round: Int, reason: String)
  /// The device could not do a task.
  case failed(round: Int, reason: String)
  /// The server did not answer; the device tries again.
  case retrying(path: String, reason: String, seconds: Double)
  /// The device took the server's time.
  case clockAdjusted(seconds: Double)
  /// The federation has ended.
  case finished

  /// The event in words, on one line whatever the server wrote.
  public var description: String { text.onOneLine }

  private var text: String {
    switch self {
    case .registered: "registered"
    case .sent(let round, let count): "round \(round): sent \(count) bytes"
    case .dropped(let round, let reason): "round \(round): result dropped, \(reason)"
    case .failed(let round, let reason): "round \(round): \(reason)"
    case .retrying(let path, let reason, let seconds):
      "no answer to \(path) (\(reason)); again after \(Float(seconds)) s"
    case .clockAdjusted(let seconds): "took the server's time, \(Int(seconds)) s away"
    case .finished: "the federation has ended"
    }
  }
}
