/// Tells a request from its replay.
///
/// Of each device the requests with the latest times are remembered, a fixed number of them. A request
/// that is as old as one that was forgotten is refused, whether it came before or not: so the memory
/// is bounded by the number of devices, and no device can be told to send less.
struct NonceMemory: Sendable {
  /// A request that was accepted.
  private struct Entry: Hashable {
    /// Milliseconds since 1970, as the device says.
    var time: Int
    var high: UInt64
    var low: UInt64

    init(_ signature: RequestSignature) {
      time = signature.time
      // 32 hexadecimal digits, as every signature has.
      high = UInt64(signature.nonce.prefix(16), radix: 16) ?? 0
      low = UInt64(signature.nonce.suffix(16), radix: 16) ?? 0
    }
  }

  private struct Memory {
    /// By time, the oldest first.
    var entries: [Entry] = []
    /// The latest time that was forgotten.
    var forgotten = 0
  }

  /// How many seconds a device's clock may be off.
  let tolerance: Double
  /// How many requests of a device are remembered: more than can be under way at once.
  let mostRequests: Int
  private var memories: [String: Memory] = [:]

  init(tolerance: Double, mostRequests: Int = 256) {
    self.tolerance = tolerance
    self.mostRequests = mostRequests
  }

  /// How many devices are remembered.
  var deviceCount: Int { memories.count }

  /// Stops unless a request with a valid signature is here in time and for the first time.
  ///
  /// - Parameters:
  ///   - signature: of the request.
  ///   - now: seconds since 1970.
  /// - Throws: `ServiceRefusal.clockSkew`, `.outdated`, `.replayed`.
  func check(_ signature: RequestSignature, now: Double) throws(ServiceRefusal) {
    let device = signature.device
    let seconds = Double(signature.time) / 1000 - now
    guard abs(seconds) <= tolerance else { throw .clockSkew(device: device, seconds: seconds) }
    guard let memory = memories[device] else { return }
    guard !memory.entries.contains(Entry(signature)) else { throw .replayed(device: device) }
    guard signature.time > memory.forgotten else {
      throw .outdated(device: device, after: memory.forgotten)
    }
  }

  /// Remembers a request that was checked and is of a registered device.
  mutating func add(_ signature: RequestSignature) {
    // Taken out, so that it is changed in its own memory.
    var memory = memories.removeValue(forKey: signature.device) ?? Memory()
    let entry = Entry(signature)
    let last = memory.entries.lastIndex { $0.time <= entry.time }
    memory.entries.insert(entry, at: last.map { $0 + 1 } ?? 0)
    if memory.entries.count > mostRequests { memory.forgotten = memory.entries.removeFirst().time }
    memories[signature.device] = memory
  }
}
