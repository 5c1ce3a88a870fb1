import Tensor

/// Normalization over groups of channels of each image of [N × C × …].
///
/// - Source: Wu and He 2018, "Group Normalization".
public final class GroupNorm: Module, Layer {
  /// The scale of each channel [C].
  public let weight: Parameter
  /// The shift of each channel [C].
  public let bias: Parameter
  /// The number of groups; they divide C.
  public let groups: Int
  /// What is added to the variance.
  public let epsilon: Float

  /// A layer of weights 1 and shifts 0; `groups` divides `channels`.
  public init(groups: Int, channels: Int, epsilon: Float = 1e-5) {
    expect(
      groups > 0 && channels % groups == 0,
      "group norm: \(channels) channels do not make \(groups) groups"
    )
    weight = Parameter(.ones([channels]))
    bias = Parameter(.zeros([channels]))
    self.groups = groups
    self.epsilon = epsilon
  }

  /// The normalized input; of the same shape, [N × C × …].
  public func callAsFunction(_ input: Variable) -> Variable {
    groupNorm(
      input,
      groups: groups,
      weight: weight.variable,
      bias: bias.variable,
      epsilon: epsilon
    )
  }
}
