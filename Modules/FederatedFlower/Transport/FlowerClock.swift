import Foundation
import Synchronization

/// The time as the server has it.
///
/// A server accepts signatures that are at most 305 s old and at most 5 s ahead. Small devices have
/// no clock that keeps time while they are off, so a refusal makes the node take the server's time.
final class FlowerClock: Sendable {
  private let offset = Mutex<Double>(0)
  private let system: @Sendable () -> Date

  /// A clock that reads the system's until it is adjusted.
  init(system: @escaping @Sendable () -> Date = { Date() }) { self.system = system }

  /// The seconds since 1970.
  var now: Double { system().timeIntervalSince1970 + offset.withLock { $0 } }

  /// How far the server is ahead of this system, in seconds, as far as is known.
  var difference: Double { offset.withLock { $0 } }

  /// Takes the time of an answer's `Date` header.
  ///
  /// - Returns: Whether that moved the clock by more than the header's resolution.
  func adjust(to header: String?) -> Bool {
    guard let header, let date = Self.date(header) else { return false }
    let change = date.timeIntervalSince1970 - now
    guard abs(change) > 2 else { return false }
    offset.withLock { $0 += change }
    return true
  }

  /// The time stamp that a call signs: ISO 8601 with microseconds and offset.
  var stamp: String { Self.stamp(now) }

  static func stamp(_ seconds: Double) -> String {
    let micros = Int((seconds * 1e6).rounded(.toNearestOrEven))
    let (whole, rest) = (micros / 1_000_000, micros % 1_000_000)
    let format = Date.ISO8601FormatStyle(timeZone: .gmt).year().month().day().time(
      includingFractionalSeconds: false
    )
    let text = Date(timeIntervalSince1970: Double(whole)).formatted(format)
    let digits = "\(rest)"
    let fraction = String(repeating: "0", count: 6 - digits.count) + digits
    return "\(text).\(fraction)+00:00"
  }

  /// The time of `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, IMF-fixdate).
  static func date(_ header: String) -> Date? {
    let parts = header.split(separator: " ")
    let months = [
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
    guard parts.count == 6, parts[5] == "GMT", let day = Int(parts[1]), let year = Int(parts[3]),
      let month = months.firstIndex(of: String(parts[2]))
    else { return nil }
    let time = parts[4].split(separator: ":").compactMap { Int($0) }
    // A clock that a server sets to before 1970, or to no time at all, could sign nothing.
    guard (1970...9999).contains(year), (1...31).contains(day), time.count == 3,
      (0...23).contains(time[0]), (0...59).contains(time[1]), (0...60).contains(time[2])
    else { return nil }
    var components = DateComponents(
      timeZone: .gmt,
      year: year,
      month: month + 1,
      day: day
    )
    components.hour = time[0]
    components.minute = time[1]
    components.second = time[2]
    return Calendar(identifier: .gregorian).date(from: components)
  }
}
