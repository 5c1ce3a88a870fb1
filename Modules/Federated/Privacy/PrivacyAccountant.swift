import Tensor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

// Mironov, Talwar and Zhang 2019, "Rényi Differential Privacy of the Sampled Gaussian Mechanism":
// for whole orders a, sampling rate q and noise z,
//
//     rdp(a) = log( Σ_{k=0}^{a} C(a, k) (1 − q)^{a−k} q^k exp((k² − k) / (2 z²)) ) / (a − 1)
//
// Canonne, Kamath and Steinke 2020, proposition 12, turns it into (ε, δ):
//
//     ε = min_a  T rdp(a) + log(1 − 1/a) − log(δ a) / (a − 1)

/// How much privacy rounds of a sampled Gaussian mechanism spend.
///
///     var accountant = PrivacyAccountant()
///     accountant.add(samplingRate: 0.1, noiseMultiplier: 1.1, rounds: 100)
///     accountant.epsilon(delta: 1e-5)      // 6.745047
public struct PrivacyAccountant: Codable, Hashable, Sendable {
  /// The orders that the minimum runs over.
  public static let orders = 2...256

  /// Σ rdp(a) over the rounds so far, by order.
  private var divergences: [Double]

  /// An accountant that nothing was spent on.
  public init() { divergences = Self.orders.map { _ in 0 } }

  /// Adds rounds that each take a client with probability q and add noise of z times the clipping
  /// norm; without noise everything is spent.
  public mutating func add(samplingRate: Double, noiseMultiplier: Double, rounds: Int = 1) {
    expect(rounds >= 0, "privacy accountant: \(rounds) rounds")
    guard rounds > 0 else { return }
    for (index, order) in Self.orders.enumerated() {
      let divergence = Self.divergence(
        order: order,
        samplingRate: samplingRate,
        noiseMultiplier: noiseMultiplier
      )
      divergences[index] += Double(rounds) * divergence
    }
  }

  /// rdp(a) of one round.
  public static func divergence(
    order: Int,
    samplingRate q: Double,
    noiseMultiplier z: Double
  ) -> Double {
    expect(
      q >= 0 && q <= 1 && z >= 0 && order > 1,
      "privacy accountant: q = \(q), z = \(z), order \(order)"
    )
    if q == 0 { return 0 }
    if z == 0 { return .infinity }
    if q == 1 { return Double(order) / (2 * z * z) }
    // The logarithms of the terms, binomial coefficients from one to the next.
    var binomial = 0.0
    var terms: [Double] = []
    for k in 0...order {
      if k > 0 { binomial += log(Double(order - k + 1) / Double(k)) }
      let chance = Double(order - k) * log1p(-q) + Double(k) * log(q)
      terms.append(binomial + chance + Double(k * k - k) / (2 * z * z))
    }
    let largest = terms.max() ?? 0
    let sum = terms.reduce(0) { $0 + exp($1 - largest) }
    return (largest + log(sum)) / Double(order - 1)
  }

  /// The smallest ε for a δ, and the order that gives it; infinite if everything is spent.
  public func bound(delta: Double) -> (epsilon: Double, order: Int) {
    expect(delta > 0 && delta < 1, "privacy accountant: δ = \(delta)")
    var best = (epsilon: Double.infinity, order: Self.orders.lowerBound)
    for (order, divergence) in zip(Self.orders, divergences) {
      let a = Double(order)
      let epsilon = divergence + log1p(-1 / a) - log(delta * a) / (a - 1)
      if epsilon < best.epsilon { best = (max(epsilon, 0), order) }
    }
    return best
  }

  /// The smallest ε for a δ.
  public func epsilon(delta: Double) -> Double { bound(delta: delta).epsilon }

  /// The smallest noise, to a thousandth, with which rounds stay within (ε, δ); nil if none up to
  /// 1000 does.
  public static func noiseMultiplier(
    epsilon: Double,
    delta: Double,
    samplingRate: Double,
    rounds: Int
  ) -> Double? {
    func spends(_ noise: Double) -> Double {
      var accountant = PrivacyAccountant()
      accountant.add(samplingRate: samplingRate, noiseMultiplier: noise, rounds: rounds)
      return accountant.epsilon(delta: delta)
    }
    var (low, high) = (0, 1_000_000)
    guard spends(Double(high) / 1000) <= epsilon else { return nil }
    while high - low > 1 {
      let middle = (low + high) / 2
      if spends(Double(middle) / 1000) <= epsilon { high = middle } else { low = middle }
    }
    return Double(high) / 1000
  }
}
