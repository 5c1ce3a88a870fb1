import Tensor

// HeteroFL (Diao et al. 2021): the first ⌈r·n⌉ channels of every hidden layer and the matching inputs
// of the next. FedRolex (Alam et al. 2022): the window moves by `step` channels a round. FjORD
// (Horváth et al. 2021): prefixes that each mini-batch shortens further.

/// Slices of every layer's width: fewer channels, all layers.
///
/// Inputs of the network and classes are never cut. The kept channels lie in ascending order on the
/// device, for a window that wraps around, too.
///
/// - Choice: rates are rounded in integers, ⌈n · numerator / denominator⌉, on both sides alike.
public struct WidthSlicing: LocalCompression {
  /// The wiring of the network.
  public let model: ModelDescription

  /// Slices of a network.
  public init(_ model: ModelDescription) { self.model = model }

  /// The kept channels of each group under a plan.
  ///
  /// Random channels are those of the seed: a fork for each group, in the order of the groups.
  public func keptChannels(_ plan: DevicePlan, seed: UInt64) -> [String: AxisIndices] {
    var kept: [String: AxisIndices] = [:]
    for (index, group) in model.groups.enumerated() {
      guard let width = plan.width else {
        kept[group.name] = AxisIndices(all: group.count)
        continue
      }
      let count = width.rate.ceiling(of: group.count)
      switch width.pattern {
      case .prefix, .ordered: kept[group.name] = AxisIndices(prefix: count, of: group.count)
      case .rolling:
        let first = (plan.round % group.count) * (width.step % group.count) % group.count
        let window = (first..<first + count).map { $0 % group.count }
        kept[group.name] = AxisIndices(window, of: group.count)
      case .random:
        var generator = Philox(seed: seed).fork(index)
        let order = Tensor<Int32>.permutation(group.count, using: &generator).elements
        kept[group.name] = AxisIndices(order.prefix(count).map(Int.init), of: group.count)
      }
    }
    return kept
  }

  /// Which entries of each parameter remain for given channels of the groups.
  public func coverage(keeping kept: [String: AxisIndices]) -> CoverageSet {
    var result = CoverageSet()
    for parameter in model.parameters {
      let axes = parameter.axes.map { axis -> AxisIndices in
        switch axis {
        case .whole(let extent): return AxisIndices(all: extent)
        case .channels(let name, let blocks, let positions):
          guard let channels = kept[name] else { fatalError("width slicing: no group '\(name)'") }
          return channels.wired(blocks: blocks, positions: positions)
        }
      }
      result[parameter.name] = Coverage.box(axes).simplified
    }
    return result
  }

  /// Which entries of each parameter remain under a plan.
  public func coverage(_ plan: DevicePlan, seed: UInt64) -> CoverageSet {
    coverage(keeping: keptChannels(plan, seed: seed))
  }

  /// The entries of each local parameter that a shorter prefix trains (ordered dropout).
  ///
  /// - Parameters:
  ///   - rate: the rate of the shorter prefix, at most the plan's.
  ///   - plan: a plan of prefixes.
  /// - Returns: boxes in the local model's shapes.
  /// - Throws: `FederatedError.invalidPlan` unless the plan keeps prefixes that are long enough.
  public func prefix(_ rate: Rate, of plan: DevicePlan) throws(FederatedError) -> CoverageSet {
    let outer = plan.width ?? WidthPlan(.one)
    guard rate <= outer.rate, outer.pattern == .prefix || outer.pattern == .ordered else {
      throw .invalidPlan("no prefix of rate \(rate) in \(outer.pattern) slices of \(outer.rate)")
    }
    var kept: [String: AxisIndices] = [:]
    for group in model.groups {
      let (count, extent) = (rate.ceiling(of: group.count), outer.rate.ceiling(of: group.count))
      kept[group.name] = AxisIndices(prefix: count, of: extent)
    }
    return coverage(keeping: kept)
  }

  /// The slice of every parameter.
  ///
  /// - Throws: `FederatedError` if the parameters are not those of the model, or the plan is none of
  ///   width alone.
  public func compress(
    _ global: ParameterSet,
    plan: DevicePlan,
    seed: UInt64
  ) throws -> LocalModel {
    try plan.check(allowing: [.width])
    try model.check(global)
    var local = LocalModel(whole: global, plan: plan)
    apply(to: &local, seed: seed)
    return local
  }

  /// Slices what is left of a model.
  func apply(to local: inout LocalModel, seed: UInt64) {
    guard local.plan.width != nil else { return }
    let slices = coverage(local.plan, seed: seed)
    for (name, tensor) in local.parameters.entries {
      guard let slice = slices[name] else { continue }
      local.parameters[name] = slice.part(of: tensor)
      local.slices[name] = slice
      local.coverage[name] = slice
    }
  }
}
