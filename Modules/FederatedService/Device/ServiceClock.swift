import Synchronization

/// The time as the server has it: small devices have no clock that keeps time while they are off.
final class ServiceClock: Sendable {
  private let offset = Mutex(0.0)
  private let system: @Sendable () -> Double

  init(_ system: @escaping @Sendable () -> Double) { self.system = system }

  /// Milliseconds since 1970.
  var milliseconds: Int { Int((system() + offset.withLock { $0 }) * 1000) }

  /// How far the server is ahead of this system, in seconds, as far as is known.
  var difference: Double { offset.withLock { $0 } }

  /// Takes the time of a refusal.
  ///
  /// - Returns: whether it holds one.
  func adjust(to headers: [String: String]) -> Bool {
    guard let time = headers[RequestSignature.Field.time].flatMap({ Int($0) }), time > 0,
      time < 1 << 50
    else { return false }
    let seconds = Double(time) / 1000 - system()
    offset.withLock { $0 = seconds }
    return true
  }
}
