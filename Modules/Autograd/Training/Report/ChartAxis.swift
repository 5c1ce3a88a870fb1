import Checkpoints

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// How an axis spaces its values.
public enum AxisScale: String, Hashable, Sendable, Codable {
  /// Equal differences are equally far apart.
  case linear
  /// Equal ratios are equally far apart; there is no place for 0 and below.
  case logarithmic

  /// Whether a value has a place on the axis.
  func holds(_ value: Double) -> Bool { value.isFinite && (self == .linear || value > 0) }

  func position(of value: Double) -> Double { self == .linear ? value : log10(value) }
}

/// An axis of a chart: the range that it shows, and the values that are marked.
struct ChartAxis {
  /// A marked value and its text.
  struct Tick: Equatable {
    var value: Double
    var label: String
  }

  let scale: AxisScale
  /// The ends, as positions: logarithms on a logarithmic axis.
  let lower: Double
  let upper: Double
  let ticks: [Tick]

  /// An axis that shows all of `values` that it can.
  ///
  /// - Parameters:
  ///   - values: what is shown; what has no place is left out.
  ///   - scale: how values are spaced.
  ///   - margin: the part of the range that is added at either end.
  init(_ values: some Sequence<Double>, scale: AxisScale, margin: Double) {
    self.scale = scale
    var (least, most) = (Double.infinity, -Double.infinity)
    for value in values where scale.holds(value) {
      // Half of the largest number, so that no difference overflows.
      let place = min(max(scale.position(of: value), -8e307), 8e307)
      (least, most) = (min(least, place), max(most, place))
    }
    if least > most { (least, most) = scale == .linear ? (0, 1) : (-1, 0) }
    var room = (most - least) * margin
    let resolution = max(abs(least), abs(most)) * 1e-12
    if most - least <= resolution {
      room = least == 0 ? 0.5 : max(abs(least) * 0.05, 1e-290)
    }
    lower = least - room
    upper = most + room
    ticks =
      scale == .linear
      ? linearTicks(lower, upper) : logarithmicTicks(lower, upper)
  }

  /// Where a value lies, in [0, 1]; nil where it has no place.
  func fraction(of value: Double) -> Double? {
    guard scale.holds(value) else { return nil }
    let place = (scale.position(of: value) - lower) / (upper - lower)
    return min(max(place, 0), 1)
  }
}

/// Multiples of 1, 2 or 5 times a power of ten, four to ten of them in the range.
private func linearTicks(_ lower: Double, _ upper: Double) -> [ChartAxis.Tick] {
  let rough = (upper - lower) / 6
  let exponent = Int(log10(rough).rounded(.down))
  guard exponent > -300 else { return [] }
  let power = pow(10, Double(exponent))
  let mantissa = rough / power
  let factor = mantissa < 1.5 ? 1.0 : mantissa < 3 ? 2 : mantissa < 7 ? 5 : 10
  let step = factor * power
  let first = (lower / step - 1e-9).rounded(.up)
  let last = (upper / step + 1e-9).rounded(.down)
  guard last - first < 20, abs(first) < 1e15 else { return [] }
  let decimals = max(0, factor == 10 ? -exponent - 1 : -exponent)
  let largest = max(abs(first), abs(last)) * step
  return stride(from: first, through: last, by: 1).map { index in
    // −0 would show its sign.
    let value = index == 0 ? 0 : index * step
    return ChartAxis.Tick(
      value: value,
      label: tickLabel(value, decimals: decimals, largest: largest, step: step)
    )
  }
}

private func tickLabel(
  _ value: Double,
  decimals: Int,
  largest: Double,
  step: Double
) -> String {
  let text: String
  if value == 0 {
    text = "0"
  } else if decimals <= 5 && largest < 1e6 {
    text = value.text(.fixed, digits: decimals)
  } else {
    // As many digits as tell neighbours apart.
    let digits = max(
      0,
      Int(log10(abs(value)).rounded(.down)) - Int((log10(step) + 1e-9).rounded(.down))
    )
    text = scientific(value, digits: digits)
  }
  return text.replacing("-", with: "−")
}

/// 1.5e−7 rather than 1.5e-07.
private func scientific(_ value: Double, digits: Int) -> String {
  let text = value.text(.scientific, digits: min(digits, 15))
  let parts = text.split(separator: "e")
  guard parts.count == 2, let exponent = Int(parts[1]) else { return text }
  return "\(parts[0])e\(exponent)"
}

/// Powers of ten, with 2 and 5 times them where there are few; `lower` and `upper` are logarithms.
private func logarithmicTicks(_ lower: Double, _ upper: Double) -> [ChartAxis.Tick] {
  let exponents = Array(Int(lower.rounded(.down))...Int(upper.rounded(.down)))
  if upper - lower < 0.7 {
    // Too narrow for decades: even values, which lie unevenly.
    return linearTicks(pow(10, lower), pow(10, upper)).filter { $0.value > 0 }
  }
  let stride = max(1, exponents.count / 8)
  let factors: [Double] = upper - lower < 3 ? [1, 2, 5] : [1]
  var ticks: [ChartAxis.Tick] = []
  for exponent in exponents where exponent % stride == 0 {
    for factor in factors {
      let place = Double(exponent) + log10(factor)
      let value = factor * pow(10, Double(exponent))
      guard place >= lower - 1e-9, place <= upper + 1e-9, value > 0 else { continue }
      let label =
        abs(exponent) <= 4
        ? tickLabel(value, decimals: max(0, -exponent), largest: 0, step: 1)
        : scientific(value, digits: 0).replacing("-", with: "−")
      ticks.append(ChartAxis.Tick(value: value, label: label))
    }
  }
  return ticks
}
