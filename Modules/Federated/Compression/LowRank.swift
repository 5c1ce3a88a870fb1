import LinearAlgebra
import Tensor

// W [O × I] ≈ A B with the thin decomposition W = U S Vᵀ:
//
//     A = U_r S_r^½,   B = S_r^½ V_rᵀ          r given, or the smallest with Σ_{i≤r} s² ≥ e Σ s²
//
// The lift is D = A'B' − AB, not W_r' − W: what the truncation left out is never erased.

/// Products of two narrow matrices in the place of matrices and kernels.
///
/// A matrix stays as it is where r (O + I) ≥ O·I, so nothing grows. Kernels are matrices
/// [O × inputs · kernel].
public struct LowRank: LocalCompression {
  /// The wiring of the network.
  public let model: ModelDescription

  /// Factors of a network.
  public init(_ model: ModelDescription) { self.model = model }

  /// The model with factors.
  ///
  /// - Throws: `FederatedError` if the parameters or the plan do not fit, `LinearAlgebraError` if a
  ///   matrix is not finite.
  public func compress(
    _ global: ParameterSet,
    plan: DevicePlan,
    seed: UInt64
  ) throws -> LocalModel {
    try plan.check(allowing: [.rank])
    try model.check(global)
    var local = LocalModel(whole: global, plan: plan)
    try apply(to: &local)
    return local
  }

  /// Factors the matrices that are left of a model.
  func apply(to local: inout LocalModel) throws {
    guard let plan = local.plan.rank else { return }
    var parameters = ParameterSet()
    let names = Set(model.matrices)
    for (name, tensor) in local.parameters.entries {
      guard names.contains(name), let factors = try Factors(tensor, plan) else {
        parameters[name] = tensor
        continue
      }
      local.forms[name] = .factors(rank: factors.left.shape[1])
      parameters[name + ".left"] = factors.left
      parameters[name + ".right"] = factors.right
    }
    local.parameters = parameters
  }

  /// A and B of a matrix.
  struct Factors {
    let left: Tensor<Float>
    let right: Tensor<Float>

    /// The factors under a plan; nil where the matrix itself is not larger.
    init?(_ weight: Tensor<Float>, _ plan: RankPlan) throws {
      let rows = weight.shape[0]
      guard rows > 0, weight.count > 0 else { return nil }
      let columns = weight.count / rows
      if case .fixed(let rank) = plan, !Self.saves(rank, rows, columns) { return nil }
      let svd = try weight.reshaped(to: [rows, columns]).singularValueDecomposition()
      let rank =
        switch plan {
        case .fixed(let rank): rank
        case .energy(let share): Self.rank(holding: share, of: svd.singularValues.elements)
        }
      guard Self.saves(rank, rows, columns) else { return nil }
      let best = svd.truncated(to: rank)
      let roots = best.singularValues.elements.map { $0.squareRoot() }
      left = best.left * Tensor(roots, shape: [1, rank])
      right = best.rightTransposed * Tensor(roots, shape: [rank, 1])
    }

    private static func saves(_ rank: Int, _ rows: Int, _ columns: Int) -> Bool {
      rank > 0 && rank * (rows + columns) < rows * columns
    }

    /// The smallest rank whose values hold a share of Σ s²; at least 1.
    static func rank(holding share: Double, of values: [Float]) -> Int {
      let squares = values.map { Double($0) * Double($0) }
      let wanted = share * squares.reduce(0, +)
      var sum = 0.0
      for (index, square) in squares.enumerated() {
        sum += square
        if sum >= wanted { return index + 1 }
      }
      return max(values.count, 1)
    }
  }
}
