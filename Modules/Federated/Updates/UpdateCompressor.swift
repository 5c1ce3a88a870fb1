public import Tensor

// Error feedback (Seide et al. 2014; Stich et al. 2018): what was not sent is added next time.
//
//     a = Δ + e,   send C(a),   e ← a − C(a)

/// Packs the updates of one device, and remembers what was not sent.
///
/// The residual e lies in global coordinates, so it survives a change of the slice: only what the
/// current slice covers is added and replaced. Parameters in other forms (step sizes, adapters,
/// factors) are made anew each round and keep none.
///
/// - Note: the residual is as large as the model; plans of small devices leave it out
///   (`UpdatePlan.keepsResidual`), and then codes are rounded by chance, which keeps their mean.
public struct UpdateCompressor: Sendable {
  /// e of the parameters that were trained so far, in their global shapes.
  public private(set) var residual: ParameterSet

  /// A compressor; a residual that was saved continues where it was.
  public init(residual: ParameterSet = ParameterSet()) { self.residual = residual }

  /// An update as the model's plan sends it.
  ///
  /// - Parameters:
  ///   - delta: the change of the local model's parameters.
  ///   - local: the model that the device began with.
  ///   - generator: the source of rounding by chance.
  /// - Returns: what is sent.
  /// - Throws: `FederatedError` if the change does not fit the model.
  public mutating func pack(
    _ delta: ParameterSet,
    of local: LocalModel,
    using generator: inout Philox
  ) throws(FederatedError) -> PackedUpdate {
    let layout = UpdateLayout(local)
    let plan = local.plan.update
    guard plan.keepsResidual, plan.topShare != nil || plan.bits < 32 else {
      let numbers = try layout.flattened(delta)
      return PackedUpdate(numbers, layout: layout, plan: plan) { generator.uniform() }
    }
    var sum = delta
    for name in delta.names {
      if let part = residualPart(name, local) { sum[name] = sum[name].map { $0 + part } }
    }
    let numbers = try layout.flattened(sum)
    let packed = PackedUpdate(numbers, layout: layout, plan: plan)
    let rest = zip(numbers, packed.numbers(count: layout.count)).map { $0 - $1 }
    keep(layout.unflattened(rest), local, layout)
    return packed
  }

  /// e in the shape of a local tensor; nil where there is none.
  private func residualPart(_ name: String, _ local: LocalModel) -> Tensor<Float>? {
    guard let slice = local.slices[name], let tensor = residual[name], slice.fits(tensor.shape)
    else { return nil }
    return slice.part(of: tensor)
  }

  private mutating func keep(_ rest: ParameterSet, _ local: LocalModel, _ layout: UpdateLayout) {
    for item in layout.items {
      guard let slice = local.slices[item.name], let shape = local.globalShape(item.name),
        let part = rest[item.name]
      else { continue }
      if residual[item.name]?.shape != shape { residual[item.name] = .zeros(shape) }
      guard let place = residual.index(of: item.name) else { continue }
      residual.update(at: place) { slice.write(part, mask: item.mask, into: &$0) }
    }
  }
}

extension Coverage {
  /// Replaces the covered entries of a parameter by a part, where the part's mask allows.
  fileprivate func write(
    _ part: Tensor<Float>,
    mask: BitSet?,
    into tensor: inout Tensor<Float>
  ) {
    tensor.withUnsafeMutableElements { target in
      part.withUnsafeElements { source in
        func copy(_ global: Int, _ local: Int, _ count: Int) {
          for offset in 0..<count where mask?[local + offset] ?? true {
            target[global + offset] = source[local + offset]
          }
        }
        switch self {
        case .full: copy(0, 0, source.count)
        case .box(let axes): BoxRuns(axes).forEachRun(copy)
        case .bits(let bits): bits.forEachSet { copy($0, $0, 1) }
        }
      }
    }
  }
}
