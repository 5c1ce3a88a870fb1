/// A date as HTTP writes it.
///
///     Sun, 06 Nov 1994 08:49:37 GMT      the form to send
///     Sunday, 06-Nov-94 08:49:37 GMT     obsolete, with two digits of the year
///     Sun Nov  6 08:49:37 1994           obsolete, as C's asctime writes
///
/// - Source: RFC 9110, section 5.6.7.
enum HTTPDate {
  /// Seconds since 1970, or nil for another text.
  static func seconds(_ text: String) -> Double? {
    var words = text.split(whereSeparator: { $0 == " " || $0 == "," })
    guard words.count >= 4, words[0].allSatisfy(\.isLetter) else { return nil }
    words.removeFirst()
    if let last = words.last, last == "GMT" || last == "UTC" { words.removeLast() }
    switch words.count {
    case 2:
      let date = words[0].split(separator: "-")
      guard date.count == 3, let short = Int(date[2]), (0...99).contains(short) else { return nil }
      // Two digits mean the closest such year that is not far in the future.
      return seconds(date[0], date[1], short + (short < 70 ? 2000 : 1900), words[1])
    case 4 where words[0].allSatisfy(\.isLetter):
      guard let year = Int(words[3]) else { return nil }
      return seconds(words[1], words[0], year, words[2])
    case 4:
      guard let year = Int(words[2]) else { return nil }
      return seconds(words[0], words[1], year, words[3])
    default: return nil
    }
  }

  private static let months = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
  ]

  private static func seconds(
    _ day: Substring,
    _ month: Substring,
    _ year: Int,
    _ time: Substring
  ) -> Double? {
    let clock = time.split(separator: ":").map { Int($0) ?? -1 }
    guard let day = Int(day), let month = months.firstIndex(of: month.lowercased()),
      clock.count == 3, (1...31).contains(day), (1600...9999).contains(year),
      (0...23).contains(clock[0]), (0...59).contains(clock[1]), (0...60).contains(clock[2])
    else { return nil }
    let days = daysSince1970(year: year, month: month + 1, day: day)
    return Double(days * 86_400 + clock[0] * 3600 + clock[1] * 60 + clock[2])
  }

  /// Days of the Gregorian calendar, by years that begin in March.
  private static func daysSince1970(year: Int, month: Int, day: Int) -> Int {
    let shifted = month <= 2 ? year - 1 : year
    let ofYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
    return shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + ofYear - 719_468
  }
}
