public import Tensor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

// Reddi et al. 2021, "Adaptive Federated Optimization", algorithm 2; Hsu et al. 2019 for FedAvgM.
// With the pseudo-gradient A of round t:
//
//     FedAvg       w += η A
//     FedAvgM      m = β m + A;              w += η m
//     FedAdagrad   v += A²
//     FedAdam      v = β2 v + (1 − β2) A²
//     FedYogi      v −= (1 − β2) A² sign(v − A²)
//                  m = β1 m + (1 − β1) A;    w += η m / (√v + τ)      v before round 1: τ²
//
// Flower starts from v = 0, and its FedAdam has η √(1 − β2^{t+1}) / (1 − β1^{t+1}), t = 1 first.

/// How the server's parameters follow the mean of the devices.
///
/// Entries that no device covers keep their value, and their moments keep theirs.
public struct ServerOptimizer: Sendable {
  /// The rules.
  public enum Rule: Codable, Hashable, Sendable {
    /// w += A.
    case average
    /// Momentum.
    case momentum(Double)
    /// FedAdagrad.
    case adagrad(beta1: Double = 0, tau: Double = 1e-3)
    /// FedAdam.
    case adam(beta1: Double = 0.9, beta2: Double = 0.99, tau: Double = 1e-3)
    /// FedYogi.
    case yogi(beta1: Double = 0.9, beta2: Double = 0.99, tau: Double = 1e-3)
  }

  /// Whose start of the moments is used.
  public enum Correction: String, Codable, Hashable, Sendable {
    /// The paper's: v starts at τ², η stays.
    case none
    /// Flower's: v starts at 0, and FedAdam's η is corrected.
    case flower
  }

  /// The rule.
  public let rule: Rule
  /// η.
  public let learningRate: Double
  /// Whose start is used.
  public let correction: Correction
  /// How many steps were made.
  public private(set) var stepCount = 0
  /// m, empty until a rule needs it.
  var first = ParameterSet()
  /// v, empty until a rule needs it.
  var second = ParameterSet()

  /// An optimizer; η is 1 for `average` and `momentum`, 0.1 for Adagrad and 0.01 for the others
  /// unless given.
  public init(
    _ rule: Rule = .average,
    learningRate: Double? = nil,
    correction: Correction = .none
  ) {
    self.rule = rule
    self.learningRate = learningRate ?? rule.defaultLearningRate
    self.correction = correction
  }

  /// Changes the parameters by a round's aggregate.
  public mutating func step(_ global: inout ParameterSet, by aggregate: AggregatedUpdate) {
    stepCount += 1
    prepareMoments(like: global)
    let rule = MomentRule(rule, rate: effectiveRate)
    var (m, v) = (first, second)
    (first, second) = (ParameterSet(), ParameterSet())
    for (name, average) in aggregate.average.entries {
      guard let place = global.index(of: name), let coverage = aggregate.applied[name] else {
        continue
      }
      let mask: BitSet? = if case .full = coverage { nil } else { coverage.mask(of: average.shape) }
      global.update(at: place) { value in
        rule.step(&value, average, mask: mask, m: &m, v: &v, at: place)
      }
    }
    (first, second) = (m, v)
  }

  private mutating func prepareMoments(like global: ParameterSet) {
    if rule.hasFirst, first.isEmpty { first = .zeros(like: global) }
    if let tau = rule.tau, second.isEmpty {
      let start = correction == .none ? Float(tau * tau) : 0
      second = global.mapValues { Tensor(repeating: start, shape: $0.shape) }
    }
    for moments in [first, second] where !moments.isEmpty {
      expect(
        moments.names == global.names
          && moments.tensors.map(\.shape) == global.tensors.map(\.shape),
        "server optimizer: the moments are those of another model"
      )
    }
  }

  /// η of this step.
  private var effectiveRate: Double {
    guard correction == .flower, case .adam(let beta1, let beta2, _) = rule else {
      return learningRate
    }
    let exponent = Double(stepCount + 1)
    return learningRate * (1 - pow(beta2, exponent)).squareRoot() / (1 - pow(beta1, exponent))
  }

  /// The moments and the number of steps by name, as checkpoints keep them.
  public func state() -> [String: Tensor<Float>] {
    var state = ["step": Tensor([Float(stepCount)])]
    for (name, tensor) in first.entries { state["m." + name] = tensor }
    for (name, tensor) in second.entries { state["v." + name] = tensor }
    return state
  }

  /// Takes over a state of `state()` for parameters of these names and shapes, all or none.
  ///
  /// - Throws: `FederatedError` with the first tensor that is missing, unknown or shaped otherwise.
  public mutating func load(
    _ state: [String: Tensor<Float>],
    like global: ParameterSet
  ) throws(FederatedError) {
    var restored = ServerOptimizer(rule, learningRate: learningRate, correction: correction)
    let known = state.keys.sorted()
    guard let step = state["step"] else { throw .missingParameter(name: "step", known: known) }
    guard step.count == 1, let count = Int(exactly: step.elements[0]), count >= 0 else {
      throw .notFinite(name: "step")
    }
    restored.stepCount = count
    restored.prepareMoments(like: count == 0 ? ParameterSet() : global)
    var expected: Set<String> = ["step"]
    for (prefix, path) in [("m.", \ServerOptimizer.first), ("v.", \ServerOptimizer.second)] {
      for (name, tensor) in restored[keyPath: path].entries {
        guard let found = state[prefix + name] else {
          throw .missingParameter(name: prefix + name, known: known)
        }
        guard found.shape == tensor.shape else {
          throw .shapeMismatch(name: prefix + name, expected: tensor.shape, found: found.shape)
        }
        restored[keyPath: path][name] = found
        expected.insert(prefix + name)
      }
    }
    if let extra = known.first(where: { !expected.contains($0) }) {
      throw .unexpectedParameter(name: extra, known: expected.sorted())
    }
    self = restored
  }
}

extension ServerOptimizer.Rule {
  var defaultLearningRate: Double {
    switch self {
    case .average, .momentum: 1
    case .adagrad: 0.1
    case .adam, .yogi: 0.01
    }
  }

  /// Whether the rule has a first moment.
  var hasFirst: Bool { if case .average = self { false } else { true } }

  /// τ of the rules that have a second moment.
  var tau: Double? {
    switch self {
    case .average, .momentum: nil
    case .adagrad(_, let tau), .adam(_, _, let tau), .yogi(_, _, let tau): tau
    }
  }
}
