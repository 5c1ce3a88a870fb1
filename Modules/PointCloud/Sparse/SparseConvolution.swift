public import Autograd
import Tensor

/// A convolution over the pairs of a kernel map.
///
///     y[out] = Σ x[in] · W[k] + b      over the pairs (in, out) of every offset k
///
///     dx[in] += dy[out] · W[k]ᵀ      dW[k] = Σ x[in]ᵀ · dy[out]      db = Σ dy
///
/// Sums have one order, whatever the number of threads.
///
/// - Parameters:
///   - x: the features of the sites that the convolution comes from.
///   - weight: a matrix for each offset of the kernel.
///   - bias: what every output starts from.
///   - map: which sites meet.
///   - direction: which way the map is followed.
/// - Returns: the features of the sites that the convolution leads to.
/// - Shapes: x [N × I], weight [K³ × I × O], bias [O] or nil, result [M × O]; N and M are the map's
///   input and output, exchanged in the inverse direction.
/// - Complexity: O(pairs · I · O).
public func sparseConvolution(
  _ x: Variable,
  weight: Variable,
  bias: Variable? = nil,
  map: KernelMap,
  direction: SparseDirection = .forward
) -> Variable {
  let (input, w) = (x.value, weight.value)
  let pairs = map.pairs(direction)
  let output = input.sparselyConvolved(over: pairs, weight: w, bias: bias?.value)
  let (needsInput, needsWeight) = (x.isFollowed, weight.isFollowed)
  let needsBias = bias?.isFollowed ?? false
  let inputs = [x, weight] + (bias.map { [$0] } ?? [])
  return .custom(output, inputs: inputs) { gradient in
    let back = map.pairs(direction.reversed)
    let gradients = [
      needsInput ? gradient.sparselyConvolved(over: back, weight: w, transposed: true) : nil,
      needsWeight ? input.sparseWeightGradient(over: pairs, gradient) : nil,
      needsBias ? gradient.channelSums() : nil,
    ]
    return Array(gradients.prefix(inputs.count))
  }
}
