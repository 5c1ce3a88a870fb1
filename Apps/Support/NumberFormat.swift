import Checkpoints

extension BinaryFloatingPoint {
  /// The number with `digits` decimals, "—" if it is none: 27.613.
  public func fixed(_ digits: Int) -> String {
    let value = Double(self)
    return value.isFinite ? value.text(.fixed, digits: digits) : "—"
  }

  /// The number with `digits` decimals and its sign: +0.214.
  public func signed(_ digits: Int) -> String {
    let value = Double(self)
    return value.isFinite ? value.text(.signed, digits: digits) : "—"
  }

  /// The number with three significant digits, small ones with a power of ten: 1.23e-05.
  public var short: String {
    let value = Double(self)
    return value.isFinite ? value.text(.significant, digits: 3) : "—"
  }
}

extension BinaryInteger {
  /// The number in groups of three: 134,515,008.
  public var grouped: String {
    let digits = String(magnitude)
    var text = self < 0 ? "-" : ""
    for (index, digit) in digits.enumerated() {
      if index > 0 && (digits.count - index) % 3 == 0 { text += "," }
      text.append(digit)
    }
    return text
  }

  /// The number and its noun: "1 tensor", "272 tensors".
  public func counted(_ singular: String, _ plural: String? = nil) -> String {
    "\(grouped) \(self == 1 ? singular : plural ?? singular + "s")"
  }
}

/// A count with a decimal prefix and three digits: 134.5 M.
public func shortCount(_ count: Int) -> String {
  let text = scaled(Double(count), units: ["", " K", " M", " G", " T"])
  return text ?? count.grouped
}

/// An amount of memory in decimal units, as disks and downloads count it: 98.4 MB.
public func byteCount(_ bytes: Int) -> String {
  let text = scaled(Double(bytes), units: [" B", " kB", " MB", " GB", " TB"])
  return text ?? "\(bytes) B"
}

/// The value with one decimal in the largest unit that keeps it at 1 or above; nil for the first.
private func scaled(_ value: Double, units: [String]) -> String? {
  var value = value
  var unit = 0
  // 999.95 would be written as 1000.0.
  while abs(value) >= (unit == 0 ? 1000 : 999.95) && unit + 1 < units.count {
    value /= 1000
    unit += 1
  }
  return unit == 0 ? nil : value.fixed(1) + units[unit]
}

/// A span of time: 3 ms, 0.42 s, 12.3 s, 4:05 min, 1:02:03 h.
public func durationText(_ seconds: Double) -> String {
  guard seconds.isFinite, seconds >= 0, seconds < 1e9 else { return "—" }
  if seconds < 0.0995 { return "\((1000 * seconds).fixed(seconds < 0.00095 ? 2 : 0)) ms" }
  if seconds < 0.995 { return "\(seconds.fixed(2)) s" }
  if seconds < 59.95 { return "\(seconds.fixed(1)) s" }
  return clockText(seconds) + (seconds < 3599.5 ? " min" : " h")
}

/// A span of time as a clock shows it: 0:09, 4:05, 1:02:03.
public func clockText(_ seconds: Double) -> String {
  guard seconds.isFinite, seconds >= 0, seconds < 1e9 else { return "—" }
  let whole = Int(seconds.rounded())
  let (hours, minutes) = (whole / 3600, whole / 60 % 60)
  let tail = twoDigits(whole % 60)
  guard hours > 0 else { return "\(minutes):\(tail)" }
  return "\(hours):\(twoDigits(minutes)):\(tail)"
}

private func twoDigits(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
