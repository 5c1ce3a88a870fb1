import Autograd
import Quantization
import Tensor

/// Weights of few bits on the device: all matrices; biases and norms stay floats.
///
/// Fake-quantized weights are trained as floats and rounded in every pass. With frozen codes the
/// device holds no float weights: it trains their step sizes (PEQA, Kim et al. 2023: the lift is
/// D = q ⊙ Δs) or an adapter (LoRA, Hu et al. 2021: D = B'A' − BA).
public struct LowBitTraining: LocalCompression {
  /// The wiring of the network.
  public let model: ModelDescription

  /// Low-bit training of a network.
  public init(_ model: ModelDescription) { self.model = model }

  /// The model with its matrices in the plan's form.
  ///
  /// - Throws: `FederatedError` if the parameters or the plan do not fit, or a weight is not finite.
  public func compress(
    _ global: ParameterSet,
    plan: DevicePlan,
    seed: UInt64
  ) throws -> LocalModel {
    try plan.check(allowing: [.lowBit])
    try model.check(global)
    var local = LocalModel(whole: global, plan: plan)
    try apply(to: &local, seed: seed)
    return local
  }

  /// Changes the form of the matrices that are left of a model.
  func apply(to local: inout LocalModel, seed: UInt64) throws {
    guard let plan = local.plan.lowBit else { return }
    var parameters = ParameterSet()
    let names = Set(model.matrices)
    for (index, (name, tensor)) in local.parameters.entries.enumerated() {
      guard names.contains(name) else {
        parameters[name] = tensor
        continue
      }
      guard isFinite(tensor) else { throw FederatedError.notFinite(name: name) }
      switch plan.training {
      case .fakeQuantized:
        local.forms[name] = .fakeQuantized(bits: plan.bits)
        parameters[name] = tensor
      case .scales:
        let codes = try Self.codes(of: tensor, bits: plan.bits)
        local.forms[name] = .scales(codes)
        parameters[name + ".scales"] = codes.stepSizes
      case .adapter(let rank):
        var generator = Philox(seed: seed).fork(index)
        let codes = try Self.codes(of: tensor, bits: plan.bits)
        local.forms[name] = .adapter(codes, rank: rank)
        parameters[name + ".up"] = .zeros([codes.shape[0], rank])
        parameters[name + ".down"] = Initializer.layerDefault(
          [rank, codes.shape[1]],
          using: &generator
        )
      }
    }
    local.parameters = parameters
  }

  /// The packed codes of a weight as a matrix [O × rest], symmetric in each row.
  static func codes(of weight: Tensor<Float>, bits: Int) throws -> QuantizedMatrix {
    let rows = QuantizedRows(weight, bits: bits)
    let grid = try QuantizationGrid(bits: bits, isSymmetric: true)
    let middle = Int16(grid.middleCode)
    let count = rows.scales.count
    return QuantizedMatrix(
      codes: Tensor(
        rows.codes.map { UInt8(Int16($0) + middle) },
        shape: [count, count == 0 ? 0 : weight.count / count]
      ),
      stepSizes: Tensor(rows.scales, shape: [count, 1]),
      zeroPoints: nil,
      scheme: try WeightScheme(grid: grid, granularity: .outputChannel, scaleType: .float32)
    )
  }
}
