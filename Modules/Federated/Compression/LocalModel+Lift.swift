import Quantization
public import Tensor

// The change of a product is exact in its parts:
//
//     D = A'B' − AB = ΔA (B + ΔB) + A ΔB
//
// so what a truncation left out of W is never erased. Step sizes of frozen codes: D = q ⊙ Δs.

extension LocalModel {
  /// An update of this model in global coordinates.
  ///
  /// - Throws: `FederatedError` if the update has other names or shapes, or is not finite.
  public func lifted(_ update: ParameterUpdate) throws(FederatedError) -> LiftedUpdate {
    try update.check(against: self)
    var lifted = LiftedUpdate(delta: ParameterSet(), coverage: CoverageSet())
    for global in globalShapes {
      guard let slice = slices[global.name], let coverage = coverage[global.name] else { continue }
      let shape = slice.partShape(of: global.shape)
      var part = try sliceDelta(of: global.name, shape, update.delta)
      if let mask = masks[global.name] {
        part = slice.expanded(Coverage.bits(mask).part(of: part), to: global.shape)
      }
      lifted.delta[global.name] = part
      lifted.coverage[global.name] = coverage
    }
    return lifted
  }

  /// The change of a parameter's slice, whatever form the device holds it in.
  private func sliceDelta(
    of name: String,
    _ shape: Shape,
    _ delta: ParameterSet
  ) throws(FederatedError) -> Tensor<Float> {
    switch forms[name] {
    case nil, .fakeQuantized?: return try delta.tensor(name)
    case .scales(let codes)?:
      let change = try delta.tensor(name + ".scales")
      return codes.replacing(stepSizes: change).dequantized().reshaped(to: shape)
    case .adapter?: return try productDelta(name, ".up", ".down", delta).reshaped(to: shape)
    case .factors?: return try productDelta(name, ".left", ".right", delta).reshaped(to: shape)
    }
  }

  private func productDelta(
    _ name: String,
    _ left: String,
    _ right: String,
    _ delta: ParameterSet
  ) throws(FederatedError) -> Tensor<Float> {
    let a = try parameters.tensor(name + left)
    let b = try parameters.tensor(name + right)
    let (changeOfA, changeOfB) = (try delta.tensor(name + left), try delta.tensor(name + right))
    return changeOfA.matmul(b + changeOfB) + a.matmul(changeOfB)
  }

  /// The slice of a parameter as the device's forward pass uses it.
  ///
  /// - Throws: `FederatedError.missingParameter` if the device does not have it.
  public func effective(_ name: String) throws(FederatedError) -> Tensor<Float> {
    guard let slice = slices[name], let global = globalShape(name) else {
      throw .missingParameter(name: name, known: slices.names)
    }
    let shape = slice.partShape(of: global)
    switch forms[name] {
    case nil: return try parameters.tensor(name)
    case .fakeQuantized(let bits)?: return fakeQuantized(try parameters.tensor(name), bits: bits)
    case .scales(let codes)?:
      let scales = try parameters.tensor(name + ".scales")
      return codes.replacing(stepSizes: scales).dequantized().reshaped(to: shape)
    case .adapter(let codes, _)?:
      let product = try parameters.tensor(name + ".up").matmul(parameters.tensor(name + ".down"))
      return (codes.dequantized() + product).reshaped(to: shape)
    case .factors?:
      return try parameters.tensor(name + ".left").matmul(parameters.tensor(name + ".right"))
        .reshaped(to: shape)
    }
  }
}
