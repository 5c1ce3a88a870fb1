import Tensor

/// Which channels of each group a device trains.
public struct WidthPlan: Codable, Hashable, Sendable {
  /// How the kept channels are chosen.
  public enum Pattern: String, Codable, Hashable, Sendable, CaseIterable {
    /// The first ⌈r·n⌉ (HeteroFL).
    case prefix
    /// The next ⌈r·n⌉ from (round · step) mod n on (FedRolex).
    case rolling
    /// ⌈r·n⌉ drawn anew by the seed.
    case random
    /// The first ⌈r·n⌉, of which each mini-batch trains a shorter prefix (FjORD).
    case ordered
  }

  /// r.
  public var rate: Rate
  /// How the channels are chosen.
  public var pattern: Pattern
  /// By how much the window of `rolling` moves in a round.
  public var step: Int

  /// A plan.
  public init(_ rate: Rate, pattern: Pattern = .prefix, step: Int = 1) {
    self.rate = rate
    self.pattern = pattern
    self.step = step
  }
}

/// Which weights a device trains, chosen by their magnitude.
public struct MaskPlan: Codable, Hashable, Sendable {
  /// What the largest weights are compared with.
  public enum Scope: Codable, Hashable, Sendable {
    /// All prunable tensors together.
    case global
    /// Those of their own tensor.
    case layer
    /// `kept` of every `outOf` neighbours along a row's inputs, such as 2 of 4.
    case neighbours(kept: Int, outOf: Int)
  }

  /// The share that is kept; not used by `neighbours`.
  public var density: Rate
  /// What weights are compared with.
  public var scope: Scope
  /// The share of entries that is unmasked again at random, beside the kept ones; nil for none.
  public var regrowth: Rate?

  /// A plan.
  public init(density: Rate, scope: Scope = .global, regrowth: Rate? = nil) {
    self.density = density
    self.scope = scope
    self.regrowth = regrowth
  }
}

/// How a device holds and trains weights of few bits.
public struct LowBitPlan: Codable, Hashable, Sendable {
  /// What is trained.
  public enum Training: Codable, Hashable, Sendable {
    /// Float weights, rounded in every pass; the gradient goes straight through.
    case fakeQuantized
    /// The step sizes of frozen codes (PEQA).
    case scales
    /// Two narrow matrices beside frozen codes (LoRA).
    case adapter(rank: Int)
  }

  /// b, 2 to 8.
  public var bits: Int
  /// What is trained.
  public var training: Training

  /// A plan.
  public init(bits: Int, training: Training = .fakeQuantized) {
    self.bits = bits
    self.training = training
  }
}

/// The rank of the factors that take the place of matrices.
public enum RankPlan: Codable, Hashable, Sendable {
  /// This rank, or the matrix as it is where factors would not be smaller.
  case fixed(Int)
  /// The smallest rank whose singular values hold this share of Σ s².
  case energy(Double)
}

/// What is sent back, and how.
public struct UpdatePlan: Codable, Hashable, Sendable {
  /// The share of the entries that is sent, the largest ones; nil for all.
  public var topShare: Rate?
  /// The bits of a value: 32 and 16 are floating point, 8, 4 and 2 integers with a scale.
  public var bits: Int
  /// Whether what was not sent is added to the next update.
  public var keepsResidual: Bool

  /// A plan; without arguments the whole update in single precision.
  public init(topShare: Rate? = nil, bits: Int = 32, keepsResidual: Bool = true) {
    self.topShare = topShare
    self.bits = bits
    self.keepsResidual = keepsResidual
  }
}

/// What one device does with the model of one round: everything that both sides must agree on.
///
/// Cuts are made in the order of the properties: depth, width, then one of masks, low-bit weights
/// and low rank on what remains.
public struct DevicePlan: Codable, Hashable, Sendable {
  /// How many blocks remain; nil for all.
  public var depth: Int?
  /// Which channels remain; nil for all.
  public var width: WidthPlan?
  /// Which weights are trained; nil for all.
  public var mask: MaskPlan?
  /// How weights are held; nil for floats.
  public var lowBit: LowBitPlan?
  /// Which rank matrices have; nil for the full one.
  public var rank: RankPlan?
  /// How the update is sent.
  public var update: UpdatePlan
  /// The round that rolling windows count from.
  public var round: Int

  /// A plan; without arguments the whole model.
  public init(
    depth: Int? = nil,
    width: WidthPlan? = nil,
    mask: MaskPlan? = nil,
    lowBit: LowBitPlan? = nil,
    rank: RankPlan? = nil,
    update: UpdatePlan = UpdatePlan(),
    round: Int = 0
  ) {
    self.depth = depth
    self.width = width
    self.mask = mask
    self.lowBit = lowBit
    self.rank = rank
    self.update = update
    self.round = round
  }

  /// The ways to make a model smaller.
  enum Cut: String, Hashable, Sendable {
    case depth, width, mask, lowBit, rank
  }

  /// What the plan does to the model.
  var cuts: Set<Cut> {
    var cuts: Set<Cut> = []
    if depth != nil { cuts.insert(.depth) }
    if width != nil { cuts.insert(.width) }
    if mask != nil { cuts.insert(.mask) }
    if lowBit != nil { cuts.insert(.lowBit) }
    if rank != nil { cuts.insert(.rank) }
    return cuts
  }

  /// Stops if the plan is none, or asks for more than what is allowed.
  func check(allowing allowed: Set<Cut>) throws(FederatedError) {
    try check()
    if let cut = cuts.subtracting(allowed).map(\.rawValue).sorted().first {
      throw .invalidPlan("it asks for \(cut); ComposedCompression carries out every plan")
    }
  }

  /// The whole model.
  public static let full = DevicePlan()

  /// The prefix of each layer at a rate.
  public static func slice(_ rate: Rate) -> DevicePlan { DevicePlan(width: WidthPlan(rate)) }

  /// Stops if the numbers make no plan; for plans that come from outside.
  ///
  /// - Throws: `FederatedError.invalidPlan`.
  public func check() throws(FederatedError) {
    if let depth, depth < 1 { throw .invalidPlan("a depth of \(depth) blocks") }
    if round < 0 { throw .invalidPlan("round \(round)") }
    if let width, width.step < 0 { throw .invalidPlan("a step of \(width.step) channels") }
    if case .neighbours(let kept, let count)? = mask?.scope, kept < 1 || kept > count {
      throw .invalidPlan("\(kept) of \(count) neighbours")
    }
    if let lowBit, !(2...8).contains(lowBit.bits) {
      throw .invalidPlan("weights of \(lowBit.bits) bits, choose 2 to 8")
    }
    if case .adapter(let rank)? = lowBit?.training, rank < 1 {
      throw .invalidPlan("an adapter of rank \(rank)")
    }
    switch rank {
    case .fixed(let rank)? where rank < 1: throw .invalidPlan("a rank of \(rank)")
    case .energy(let share)? where !(share > 0 && share <= 1):
      throw .invalidPlan("an energy of \(share), choose above 0 to 1")
    case .fixed, .energy, nil: break
    }
    if cuts.intersection([.mask, .lowBit, .rank]).count > 1 {
      throw .invalidPlan("more than one of mask, low-bit weights and low rank")
    }
    if ![32, 16, 8, 4, 2].contains(update.bits) {
      throw .invalidPlan("updates of \(update.bits) bits, choose 32, 16, 8, 4 or 2")
    }
  }
}
