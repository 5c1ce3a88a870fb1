import Tensor

/// Masks that keep the weights of largest magnitude; the device trains u = w ⊙ m.
///
/// Kept are ⌈density · n⌉ weights, of equal ones those of lower index: of all prunable tensors in
/// the model's order, of each, or of each few neighbours. Biases, norms and the head are not masked.
///
/// Masks of the current weights let small ones die for ever: make them anew from a reference that a
/// `MaskReference` keeps, regrow some, and let at least one group of devices train without masks.
public struct MagnitudeMask: LocalCompression {
  /// The wiring of the network.
  public let model: ModelDescription
  /// The tensors that are masked, in the order of global masks.
  public let prunable: [String]
  /// The weights whose magnitudes count; nil for those that are trained.
  public var reference: ParameterSet?

  /// Masks of a network; by default of its hidden matrices.
  public init(
    _ model: ModelDescription,
    prunable: [String]? = nil,
    reference: ParameterSet? = nil
  ) {
    self.model = model
    self.prunable = prunable ?? model.hiddenMatrices
    self.reference = reference
  }

  /// The model with masks, in full shapes.
  ///
  /// - Throws: `FederatedError` if the parameters or the plan do not fit.
  public func compress(
    _ global: ParameterSet,
    plan: DevicePlan,
    seed: UInt64
  ) throws -> LocalModel {
    try plan.check(allowing: [.mask])
    try model.check(global)
    var local = LocalModel(whole: global, plan: plan)
    try apply(to: &local, seed: seed)
    return local
  }

  /// Masks what is left of a model.
  func apply(to local: inout LocalModel, seed: UInt64) throws(FederatedError) {
    guard let plan = local.plan.mask else { return }
    let names = prunable.filter { local.parameters[$0] != nil }
    var weights: [Tensor<Float>] = []
    for name in names {
      guard let reference, let slice = local.slices[name] else {
        weights.append(try local.parameters.tensor(name))
        continue
      }
      let tensor = try reference.tensor(name)
      guard slice.fits(tensor.shape) else {
        let expected = local.globalShape(name) ?? []
        throw .shapeMismatch(name: name, expected: expected, found: tensor.shape)
      }
      weights.append(slice.part(of: tensor))
    }
    var masks = Self.masks(plan, of: weights)
    if let share = plan.regrowth {
      for index in masks.indices {
        var generator = Philox(seed: seed).fork(index)
        masks[index].regrow(share.ceiling(of: masks[index].count), using: &generator)
      }
    }
    for (name, mask) in zip(names, masks) {
      guard let tensor = local.parameters[name] else { continue }
      local.parameters[name] = Coverage.bits(mask).part(of: tensor)
      local.cover(name, mask)
    }
  }

  /// The masks of some tensors, without regrowth.
  static func masks(_ plan: MaskPlan, of weights: [Tensor<Float>]) -> [BitSet] {
    switch plan.scope {
    case .global:
      let count = weights.reduce(0) { $0 + $1.count }
      return LargestMagnitudes.masks(plan.density.ceiling(of: count), of: weights)
    case .layer:
      return weights.map { weight in
        LargestMagnitudes.masks(plan.density.ceiling(of: weight.count), of: [weight])[0]
      }
    case .neighbours(let kept, let size):
      return weights.map { neighbourMask($0, kept: kept, outOf: size) }
    }
  }

  /// The `kept` largest of each `size` neighbours in a row; a short last group keeps the same share,
  /// rounded up.
  private static func neighbourMask(
    _ weight: Tensor<Float>,
    kept: Int,
    outOf size: Int
  ) -> BitSet {
    var mask = BitSet(count: weight.count)
    let columns = weight.count / max(weight.shape[0], 1)
    weight.withUnsafeElements { elements in
      for row in 0..<weight.shape[0] {
        for start in stride(from: 0, to: columns, by: size) {
          let group = row * columns + start..<row * columns + min(start + size, columns)
          let order = group.sorted {
            let (a, b) = (elements[$0].magnitude, elements[$1].magnitude)
            return a == b ? $0 < $1 : a > b
          }
          let count = Rate(kept, of: size).ceiling(of: group.count)
          for index in order.prefix(count) { mask.insert(index) }
        }
      }
    }
    return mask
  }
}

extension BitSet {
  /// Sets `count` of the entries that are not set, drawn at random.
  mutating func regrow(_ count: Int, using generator: inout Philox) {
    var free = (0..<self.count).filter { !self[$0] }
    for place in 0..<min(count, free.count) {
      free.swapAt(place, place + generator.integer(below: free.count - place))
      insert(free[place])
    }
  }
}

/// The weights that masks are made from: the global model every `interval` rounds.
public struct MaskReference: Sendable {
  /// How many rounds masks stay.
  public let interval: Int
  /// The weights; nil before the first round.
  public private(set) var parameters: ParameterSet?
  /// The round that they are from.
  public private(set) var round = 0

  /// A reference that is taken anew every `interval` rounds.
  public init(interval: Int = 10) {
    expect(interval > 0, "mask reference: an interval of \(interval) rounds")
    self.interval = interval
  }

  /// Takes the global model of a round if one is due.
  public mutating func update(_ global: ParameterSet, round: Int) {
    guard parameters == nil || round / interval != self.round / interval else { return }
    parameters = global
    self.round = round
  }
}
