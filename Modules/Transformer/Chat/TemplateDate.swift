import Foundation

/// A day and a time as the function `strftime_now` writes them: in English, whatever the locale.
struct TemplateDate: Sendable {
  private let parts: DateComponents
  private let dayOfYear: Int
  private let microsecond: Int

  private static let days = [
    "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday",
  ]
  private static let months = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
  ]

  init(_ date: Date, timeZone: TimeZone) {
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = timeZone
    parts = calendar.dateComponents(
      [.year, .month, .day, .hour, .minute, .second, .weekday, .nanosecond],
      from: date
    )
    dayOfYear = calendar.ordinality(of: .day, in: .year, for: date) ?? 1
    // Seconds in a Double are off by some nanoseconds.
    microsecond = min(((parts.nanosecond ?? 0) + 500) / 1000, 999_999)
  }

  /// The date by a format of C's `strftime`; the throw names what is not supported.
  func formatted(_ format: String) throws(UnknownSpecifier) -> String {
    var result = ""
    var rest = format.unicodeScalars[...]
    while let scalar = rest.popFirst() {
      guard scalar == "%" else {
        result.unicodeScalars.append(scalar)
        continue
      }
      var flag: Unicode.Scalar?
      if let next = rest.first, "-_0^".unicodeScalars.contains(next) { flag = rest.popFirst() }
      guard let specifier = rest.popFirst() else { throw UnknownSpecifier(text: "%") }
      guard var text = text(specifier, flag) else {
        throw UnknownSpecifier(text: "%" + String(specifier))
      }
      if flag == "^" { text = text.uppercased() }
      result += text
    }
    return result
  }

  /// A specifier that `formatted` does not know.
  struct UnknownSpecifier: Error {
    let text: String
  }

  private func text(_ specifier: Unicode.Scalar, _ flag: Unicode.Scalar?) -> String? {
    if let (number, width, fill) = number(specifier) {
      let mark: Unicode.Scalar = flag == "0" ? "0" : flag == "_" ? " " : fill
      return TemplateText.padded("\(number)", to: flag == "-" ? 0 : width, with: mark, at: ">")
    }
    let day = Self.days[weekday]
    let month = Self.months[(parts.month ?? 1) - 1]
    switch specifier {
    case "A": return day
    case "a": return String(day.prefix(3))
    case "B": return month
    case "b", "h": return String(month.prefix(3))
    case "p": return (parts.hour ?? 0) < 12 ? "AM" : "PM"
    case "P": return (parts.hour ?? 0) < 12 ? "am" : "pm"
    case "f": return TemplateText.padded("\(microsecond)", to: 6, with: "0", at: ">")
    case "z", "Z": return ""
    case "n": return "\n"
    case "t": return "\t"
    case "%": return "%"
    default:
      let composed: [Unicode.Scalar: String] = [
        "c": "%a %b %e %H:%M:%S %Y", "D": "%m/%d/%y", "F": "%Y-%m-%d", "R": "%H:%M",
        "r": "%I:%M:%S %p", "T": "%H:%M:%S", "x": "%m/%d/%y", "X": "%H:%M:%S",
      ]
      return composed[specifier].flatMap { try? formatted($0) }
    }
  }

  private var weekday: Int { (parts.weekday ?? 1) - 1 }

  private func number(_ specifier: Unicode.Scalar) -> (Int, width: Int, fill: Unicode.Scalar)? {
    let (year, hour) = (parts.year ?? 1970, parts.hour ?? 0)
    switch specifier {
    case "Y": return (year, 1, "0")
    case "C": return (year / 100, 2, "0")
    case "y": return (year % 100, 2, "0")
    case "m": return (parts.month ?? 1, 2, "0")
    case "d": return (parts.day ?? 1, 2, "0")
    case "e": return (parts.day ?? 1, 2, " ")
    case "H": return (hour, 2, "0")
    case "k": return (hour, 2, " ")
    case "I": return ((hour + 11) % 12 + 1, 2, "0")
    case "l": return ((hour + 11) % 12 + 1, 2, " ")
    case "M": return (parts.minute ?? 0, 2, "0")
    case "S": return (parts.second ?? 0, 2, "0")
    case "j": return (dayOfYear, 3, "0")
    case "w": return (weekday, 1, "0")
    case "u": return ((weekday + 6) % 7 + 1, 1, "0")
    case "U": return ((dayOfYear + 6 - weekday) / 7, 2, "0")
    case "W": return ((dayOfYear + 6 - (weekday + 6) % 7) / 7, 2, "0")
    default: return nil
    }
  }
}
