/// Tells a request from its replay, for as long as signatures are accepted.
struct NonceMemory: Sendable {
  /// How many seconds a device's clock may be off.
  let tolerance: Double
  /// The most requests of one device in the time in which replays would be accepted.
  let mostRequests: Int
  private var times: [String: [String: Double]] = [:]
  private var lastSweep = 0.0

  init(tolerance: Double, mostRequests: Int = 8192) {
    self.tolerance = tolerance
    self.mostRequests = mostRequests
  }

  /// Notes a request whose signature is valid.
  ///
  /// - Parameters:
  ///   - signature: of the request.
  ///   - now: seconds since 1970.
  /// - Throws: `ServiceRefusal.clockSkew`, `.replayed`, `.tooManyRequests`.
  mutating func note(_ signature: RequestSignature, now: Double) throws(ServiceRefusal) {
    let (device, time) = (signature.device, Double(signature.time) / 1000)
    guard abs(time - now) <= tolerance else {
      throw .clockSkew(device: device, seconds: time - now)
    }
    if now - lastSweep > tolerance / 8 { sweep(now) }
    var known = times[device] ?? [:]
    guard known[signature.nonce] == nil else { throw .replayed(device: device) }
    guard known.count < mostRequests else { throw .tooManyRequests(device: device) }
    times[device] = nil  // The dictionary is changed in its own memory.
    known[signature.nonce] = time
    times[device] = known
  }

  /// Forgets requests whose time would be refused by now.
  private mutating func sweep(_ now: Double) {
    lastSweep = now
    for (device, known) in times {
      let left = known.filter { abs($0.value - now) <= tolerance }
      times[device] = left.isEmpty ? nil : left
    }
  }
}
