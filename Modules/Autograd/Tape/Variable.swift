public import Tensor

/// A value that the tape can follow: what differentiable code computes with.
///
/// A variable is a tensor of floats and, when a gradient is wanted for it, the node of the tape that
/// produced it. The tape is built as the code runs: an operation on a followed variable leaves a
/// node with its backward function; an operation on plain values leaves nothing and costs what the
/// tensor operation costs. So one piece of layer code trains and infers.
///
///     let weight = Parameter(.zeros([3, 2]))
///     let loss = (Variable(x).matmul(weight.variable) - Variable(y)).square().mean()
///     loss.backward()                 // fills weight.gradient
///
/// Variables and parameters belong to one task at a time; tensors may cross tasks.
public struct Variable {
  /// The tensor.
  public let value: Tensor<Float>
  /// Where the gradient of this value goes; nil for a constant.
  let node: TapeNode?

  @inline(__always)
  init(_ value: Tensor<Float>, node: TapeNode?) {
    self.value = value
    self.node = node
  }

  /// A constant: no gradient is computed for it.
  @inline(__always)
  public init(_ value: Tensor<Float>) {
    self.value = value
    node = nil
  }

  /// A scalar constant.
  public init(_ value: Float) { self.init(Tensor([value], shape: [])) }

  /// A value whose `gradient` a later `backward()` fills: an input to differentiate by.
  public init(following value: Tensor<Float>) {
    self.init(value, node: TapeNode(leafOf: value.shape))
  }

  /// The extents.
  public var shape: Shape { value.shape }
  /// The number of elements.
  public var count: Int { value.count }
  /// The number of dimensions.
  public var rank: Int { value.rank }

  /// Whether `backward()` reaches this value.
  public var isFollowed: Bool { node != nil }

  /// The sum of the gradients that `backward()` has brought to a value made by `init(following:)`
  /// or by a parameter; nil before the first, and for the results of operations.
  public var gradient: Tensor<Float>? { node?.isLeaf == true ? node?.gradient : nil }

  /// The same value as a constant: gradients stop here.
  public func detached() -> Variable { Variable(value) }

  /// The single element; stops unless there is exactly one.
  public var item: Float {
    expect(count == 1, "item: one element is needed, found \(shape)")
    return value.withUnsafeElements { $0[0] }
  }
}

extension Variable: CustomStringConvertible {
  /// The tensor's text.
  public var description: String { String(describing: value) }
}
