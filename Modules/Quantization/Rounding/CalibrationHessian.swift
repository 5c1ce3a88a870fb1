public import Tensor

/// The second-order matrix of a linear layer's squared output error, summed over calibration inputs.
///
///     H = 2/n · Σ Xᵀ X        n: the sequences seen so far
///
/// ‖X (W − Ŵ)ᵀ‖² = n/2 · tr((W − Ŵ) H (W − Ŵ)ᵀ). Products are taken in single precision over pieces
/// of 1024 rows and summed in double precision.
///
/// - Shapes: inputs [sequences × … × K], or [rows × K] as one sequence; H [K × K].
/// - Source: the official code of GPTQ, `add_batch`.
/// - Complexity: rows · K² a call; K² doubles of memory.
public struct CalibrationHessian: Sendable {
  /// K.
  public let width: Int
  /// n.
  public private(set) var sequenceCount = 0
  /// The rows seen so far.
  public private(set) var rowCount = 0
  /// Σ Xᵀ X.
  private var sum: Tensor<Double>

  /// The matrix of no inputs.
  public init(width: Int) {
    self.width = width
    sum = .zeros([width, width])
  }

  /// The matrix of some inputs.
  public init(_ inputs: Tensor<Float>) {
    self.init(width: inputs.shape[-1])
    add(inputs)
  }

  /// Adds inputs of the layer.
  public mutating func add(_ inputs: Tensor<Float>) {
    expect(
      inputs.rank > 1 && inputs.shape[-1] == width,
      "calibration: inputs \(inputs.shape) of a layer of width \(width)"
    )
    let rows = inputs.count / max(width, 1)
    guard rows > 0 else { return }
    sequenceCount += inputs.rank > 2 ? inputs.shape[0] : 1
    rowCount += rows
    let flat = inputs.reshaped(to: [rows, width])
    for start in stride(from: 0, to: rows, by: 1024) {
      let part = flat.sliced(start..<min(start + 1024, rows), axis: 0)
      let product = part.matmul(part, transposingSelf: true)  // [K, K]
      product.withUnsafeElements { product in
        sum.withUnsafeMutableElements { sum in
          WorkPool.forEachRange(count: sum.count, grain: 1 << 15) { range in
            for index in range { sum[index] += Double(product[index]) }
          }
        }
      }
    }
  }

  /// H [K × K]; zeros before the first input.
  public var matrix: Tensor<Double> {
    let factor = 2 / Double(max(sequenceCount, 1))
    return sum.withUnsafeElements { sum in
      Tensor(uninitialized: [width, width]) { target in
        for index in 0..<target.count { target[index] = factor * sum[index] }
      }
    }
  }

  /// ‖X (W − Ŵ)ᵀ‖² / ‖X Wᵀ‖² over the inputs seen so far; 0 where the output is 0.
  ///
  /// - Shapes: candidate Ŵ and weight W [N × K].
  public func relativeError(of candidate: Tensor<Float>, for weight: Tensor<Float>) -> Double {
    let h = matrix.withUnsafeElements { matrix in
      Tensor<Float>(uninitialized: [width, width]) { target in
        for index in 0..<target.count { target[index] = Float(matrix[index]) }
      }
    }
    func trace(_ w: Tensor<Float>) -> Double {
      (w.matmul(h) * w).sum(axes: [1]).elements.reduce(0) { $0 + Double($1) }
    }
    let power = trace(weight)
    return power > 0 ? max(trace(weight - candidate), 0) / power : 0
  }
}
