public import Tensor

extension Variable {
  /// Computes the gradient of this value by every parameter and followed input that it depends on,
  /// and adds it to theirs.
  ///
  /// The tape is released as the walk passes, so the memory of the forward pass is free at the end;
  /// a second walk over the same tape needs `keepingTape` on the first.
  ///
  /// - Parameters:
  ///   - gradient: what the result's gradient is taken to be; 1 for a scalar.
  ///   - keepingTape: keeps the tape for another walk.
  public func backward(from gradient: Tensor<Float>? = nil, keepingTape: Bool = false) {
    guard let node else {
      expect(false, "backward: nothing to differentiate, this value is a constant")
      return
    }
    let seed: Tensor<Float>
    if let gradient {
      expect(
        gradient.shape == shape,
        "backward: the gradient does not fit the value, \(gradient.shape) · \(shape)"
      )
      seed = gradient
    } else {
      expect(count == 1, "backward: a scalar is needed, or a gradient of \(shape) given")
      seed = Tensor([1], shape: shape)
    }
    BackwardWalk(keepsTape: keepingTape).run(from: node, seed: seed)
  }
}

/// The gradients of a value by chosen variables, leaving every parameter's gradient as it is.
///
/// - Parameters:
///   - output: a scalar.
///   - variables: parameters' variables or followed inputs.
///   - keepingTape: keeps the tape for another walk.
/// - Returns: one gradient for each variable, zeros where the value does not depend on it.
public func gradients(
  of output: Variable,
  by variables: [Variable],
  keepingTape: Bool = false
) -> [Tensor<Float>] {
  expect(
    variables.allSatisfy { $0.node?.isLeaf == true },
    "gradients: only parameters and followed inputs have gradients"
  )
  let leaves = output.node.map(BackwardWalk.leaves) ?? []
  let saved = leaves.map(\.gradient)
  for leaf in leaves { leaf.gradient = nil }
  if output.node != nil { output.backward(keepingTape: keepingTape) }
  let reached = Set(leaves.map(ObjectIdentifier.init))
  let results = variables.map { variable -> Tensor<Float> in
    guard let node = variable.node, reached.contains(ObjectIdentifier(node)),
      let gradient = node.gradient
    else { return .zeros(variable.shape) }
    return gradient
  }
  for (leaf, gradient) in zip(leaves, saved) { leaf.gradient = gradient }
  return results
}

/// One pass over the tape, outputs before inputs.
struct BackwardWalk {
  let keepsTape: Bool

  /// Every node passes its gradient on once all that use it have sent theirs.
  func run(from root: TapeNode, seed: Tensor<Float>) {
    root.accumulate(seed)
    guard !root.isLeaf else { return }
    countContributions(from: root)
    var ready = [root]
    while let node = ready.popLast() {
      step(through: node, &ready)
    }
  }

  private func step(through node: TapeNode, _ ready: inout [TapeNode]) {
    guard let pullback = node.pullback else {
      expect(
        false,
        "backward: this tape was walked before and released; keep it with keepingTape: true"
      )
      return
    }
    if var gradient = node.gradient.take() {
      if !keepsTape { node.pullback = nil }
      pullback(&gradient, TapeInputs(node: node))
    }
    node.forEachInput { input in
      guard !input.isLeaf else { return }
      input.pending -= 1
      if input.pending == 0 { ready.append(input) }
    }
    guard !keepsTape else { return }
    node.pullback = nil
    node.first = nil
    node.second = nil
    node.third = nil
    node.others = []
  }

  private func countContributions(from root: TapeNode) {
    var stack = [root]
    while let node = stack.popLast() {
      node.forEachInput { input in
        guard !input.isLeaf else { return }
        if input.pending == 0 {
          input.root = root
          stack.append(input)
        }
        expect(
          input.root === root,
          "backward: the tape is being walked already; give a checkpoint its outer values as inputs"
        )
        input.pending += 1
      }
    }
  }

  /// The leaves that a walk from `root` would reach, each once.
  static func leaves(from root: TapeNode) -> [TapeNode] {
    guard !root.isLeaf else { return [root] }
    var seen: Set<ObjectIdentifier> = [ObjectIdentifier(root)]
    var leaves: [TapeNode] = []
    var stack = [root]
    while let node = stack.popLast() {
      node.forEachInput { input in
        guard seen.insert(ObjectIdentifier(input)).inserted else { return }
        if input.isLeaf { leaves.append(input) } else { stack.append(input) }
      }
    }
    return leaves
  }
}
