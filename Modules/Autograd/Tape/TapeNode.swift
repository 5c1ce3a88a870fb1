import Tensor

/// Computes the gradients of an operation's inputs from the gradient of its output.
///
/// The gradient is `inout` because the walk hands it over: a function may overwrite its memory.
typealias Pullback = (_ gradient: inout Tensor<Float>, _ inputs: TapeInputs) -> Void

/// One step of the tape: the inputs of an operation and how gradients flow back to them.
///
/// Nodes refer to their inputs only, so the tape of a result is alive exactly as long as the result,
/// or until `backward()` has walked it. The first three inputs lie inline: one allocation a node.
final class TapeNode {
  /// The shape of the value, and of its gradient.
  let shape: Shape
  /// A leaf keeps its gradient for the user; other nodes pass theirs on.
  let isLeaf: Bool
  /// What has arrived so far.
  var gradient: Tensor<Float>?
  var first: TapeNode?
  var second: TapeNode?
  var third: TapeNode?
  var others: [TapeNode?] = []
  var pullback: Pullback?
  /// The contributions that the walk under way still brings, 0 between walks.
  var pending = 0
  /// Where the walk under way began; meaningless while nothing is pending.
  unowned(unsafe) var root: TapeNode?

  init(leafOf shape: Shape) {
    self.shape = shape
    isLeaf = true
  }

  @inline(__always)
  init(
    _ shape: Shape,
    _ first: TapeNode?,
    _ second: TapeNode?,
    _ third: TapeNode?,
    pullback: @escaping Pullback
  ) {
    self.shape = shape
    isLeaf = false
    self.first = first
    self.second = second
    self.third = third
    self.pullback = pullback
  }

  /// Dropping the last reference to a long chain must not recurse through all of it.
  deinit {
    if first == nil && second == nil && third == nil && others.isEmpty { return }
    var doomed: [TapeNode] = []
    release(into: &doomed)
    while var node = doomed.popLast() {
      if isKnownUniquelyReferenced(&node) { node.release(into: &doomed) }
    }
  }

  /// Lets go of the inputs and of what the pullback holds, handing the inputs over.
  func release(into released: inout [TapeNode]) {
    pullback = nil
    if let first, !first.isLeaf { released.append(first) }
    if let second, !second.isLeaf { released.append(second) }
    if let third, !third.isLeaf { released.append(third) }
    for case .some(let other) in others where !other.isLeaf { released.append(other) }
    first = nil
    second = nil
    third = nil
    others = []
  }

  @inline(__always)
  func input(_ index: Int) -> TapeNode? {
    switch index {
    case 0: first
    case 1: second
    case 2: third
    default: index - 3 < others.count ? others[index - 3] : nil
    }
  }

  @inline(__always)
  func forEachInput(_ body: (TapeNode) -> Void) {
    if let first { body(first) }
    if let second { body(second) }
    if let third { body(third) }
    for case .some(let other) in others { body(other) }
  }

  /// Adds a contribution; the first one is kept as it is.
  func accumulate(_ contribution: consuming Tensor<Float>) {
    expect(
      contribution.shape == shape,
      "backward: the gradient does not fit the value, \(contribution.shape) · \(shape)"
    )
    if gradient == nil {
      gradient = contribution
    } else {
      gradient? += contribution
    }
  }
}

/// The inputs of the operation whose backward function runs: where it sends gradients.
struct TapeInputs {
  unowned(unsafe) let node: TapeNode

  /// Whether anyone wants the gradient of input `index`.
  @inline(__always)
  func wants(_ index: Int) -> Bool { node.input(index) != nil }

  /// Sends a gradient to input `index`; it is not computed when nobody wants it.
  @inline(__always)
  func pass(to index: Int, _ gradient: @autoclosure () -> Tensor<Float>) {
    node.input(index)?.accumulate(gradient())
  }

  /// Sends the gradient of a broadcast input, summed over what was broadcast.
  @inline(__always)
  func passSummed(to index: Int, _ gradient: @autoclosure () -> Tensor<Float>) {
    guard let input = node.input(index) else { return }
    let gradient = gradient()
    input.accumulate(gradient.shape == input.shape ? gradient : gradient.summed(to: input.shape))
  }

  /// Lets `body` add to the gradient of input `index` in place, nil before the first contribution:
  /// for products and scatters that accumulate without a temporary.
  func update(_ index: Int, _ body: (inout Tensor<Float>?) -> Void) {
    guard let input = node.input(index) else { return }
    // Taken out while it changes, so that it is written in place.
    var gradient = input.gradient.take()
    body(&gradient)
    input.gradient = consume gradient
  }
}

extension TapeInputs {
  /// Whether no further walk can come by: what the operation saved may be used up.
  var isLastWalk: Bool { node.pullback == nil }
}
