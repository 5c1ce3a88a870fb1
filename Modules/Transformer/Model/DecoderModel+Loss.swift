public import Autograd
public import Tensor

extension DecoderModel {
  /// The mean cross-entropy of the next tokens in nats.
  ///
  /// Rows whose target counts for nothing do not pass the head, and the logits are never all in
  /// memory at once, but where a head with a bias or a soft cap is trained itself.
  ///
  /// - Parameters:
  ///   - tokens: what the model reads, [B × T].
  ///   - targets: what follows each of them, [B × T]; −100 counts for nothing.
  ///   - observe: sees the values inside.
  /// - Returns: a scalar.
  public func loss(
    _ tokens: Tensor<Int32>,
    targets: Tensor<Int32>,
    observe: ModelObserver? = nil
  ) -> Variable {
    loss(ofStates: states(tokens, observe: observe), targets: targets)
  }

  /// The mean cross-entropy of what follows states, in nats.
  ///
  /// - Parameters:
  ///   - states: what the head reads, [R × D].
  ///   - targets: the token that follows each row, R of them; −100 counts for nothing.
  /// - Returns: a scalar.
  package func loss(ofStates states: Variable, targets: Tensor<Int32>) -> Variable {
    let (states, targets) = counted(states, targets.elements)
    if let head = head as? Linear, head.bias == nil, configuration.logitSoftCap == nil {
      return linearCrossEntropy(hidden: states, weight: head.weight.variable, targets: targets)
    }
    // Without any target that counts the mean is NaN, which needs no care for memory.
    let isSliced = targets.elements.contains { $0 != ignoredTarget }
    guard isSliced, !head.parameters().contains(where: \.isTrainable) else {
      return crossEntropy(logits: logits(states), targets: targets)
    }
    return slicedLoss(states, targets)
  }

  /// The loss of a head that is not trained, a few rows at a time.
  ///
  /// Each slice has a tape of its own, which is walked as soon as its part of the loss is known: what
  /// stays is the gradient of the states.
  ///
  /// - Shapes: states [R × D], targets [R], all of which count.
  /// - Complexity: the products of the plain way, and O(128 · V + R · D) floats instead of O(R · V).
  private func slicedLoss(_ states: Variable, _ targets: Tensor<Int32>) -> Variable {
    let wantsGradient = Recording.isOn && states.isFollowed
    let (x, count) = (states.value, targets.count)
    let share = Tensor<Float>([1 / Float(count)], shape: [])
    var total = 0.0
    var gradients: [Tensor<Float>] = []
    for first in stride(from: 0, to: count, by: Self.logitRows) {
      let rows = first..<min(first + Self.logitRows, count)
      let slice = wantsGradient ? Variable(following: x[rows]) : Variable(x[rows])
      let sum = crossEntropy(logits: logits(slice), targets: targets[rows], reduction: .sum)
      total += Double(sum.item)
      guard wantsGradient else { continue }
      sum.backward(from: share)
      gradients.append(slice.gradient ?? .zeros(slice.shape))
    }
    let value = Tensor([Float(total / Double(count))], shape: [])
    guard wantsGradient else { return Variable(value) }
    let gradient = Tensor.concatenating(gradients, axis: 0)  // [R × D]
    return .custom(value, input: states) { gradient * $0.item }
  }

  /// The rows whose targets count; all if none does.
  private func counted(_ states: Variable, _ targets: [Int32]) -> (Variable, Tensor<Int32>) {
    let rows = targets.indices.filter { targets[$0] != ignoredTarget }
    guard !rows.isEmpty, rows.count < targets.count else {
      return (states, Tensor(targets, shape: [targets.count]))
    }
    let taken = states.taking(Tensor(rows.map { Int32($0) }, shape: [rows.count]), axis: 0)
    return (taken, Tensor(rows.map { targets[$0] }, shape: [rows.count]))
  }
}
