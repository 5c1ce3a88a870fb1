import Foundation

/// How much of the cores other programs used while a case was measured.
///
/// Libraries that wait for all of their threads lose far more than the share that was taken from
/// them, so a row that was measured beside busy neighbours says little about either side.
struct Neighbours {
  /// Rows beside neighbours that take more than this share of the cores are marked.
  static let tolerance = 0.03

  private let start = ContinuousClock.now
  private let foreignAtStart: Double?
  private let peer: Int32?

  /// Begins to count; `peer` is the process that belongs to this measurement too.
  init(peer: Int32?) {
    self.peer = peer
    foreignAtStart = Self.foreignSeconds(peer: peer)
  }

  /// The share of all cores, in [0, 1]; nil where the system has no /proc.
  var share: Double? {
    guard let foreignAtStart, let now = Self.foreignSeconds(peer: peer) else { return nil }
    let cores = Double(ProcessInfo.processInfo.activeProcessorCount)
    let seconds = (ContinuousClock.now - start).seconds
    return min(max((now - foreignAtStart) / (seconds * cores), 0), 1)
  }

  /// Processor seconds of everybody but this process and the peer, since the system started.
  private static func foreignSeconds(peer: Int32?) -> Double? {
    guard let all = fields("/proc/stat", from: "cpu ", range: 0..<8),
      let own = fields("/proc/self/stat", from: ") ", range: 11..<13)
    else { return nil }
    let other = peer.flatMap { fields("/proc/\($0)/stat", from: ") ", range: 11..<13) } ?? []
    // cpu: user nice system idle iowait irq softirq steal; a process: user system.
    let idle = all[3] + all[4]
    let busy = all.reduce(0, +) - idle
    let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
    return (busy - own.reduce(0, +) - other.reduce(0, +)) / ticks
  }

  /// Some of the numbers after the first `mark` of a file, counted in fields.
  private static func fields(_ path: String, from mark: String, range: Range<Int>) -> [Double]? {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8),
      let place = text.range(of: mark)
    else { return nil }
    let line = text[place.upperBound...].prefix { $0 != "\n" }
    let words = line.split(separator: " ")
    guard words.count >= range.upperBound else { return nil }
    return words[range].map { Double($0) ?? 0 }
  }
}
