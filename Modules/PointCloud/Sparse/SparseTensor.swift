public import Autograd
import Tensor

/// Features on the active sites of a volume.
///
/// - Shapes: features [N × C], a row for each of the N sites.
public struct SparseTensor {
  /// Where the features are.
  public let sites: SparseSites
  /// The features of each site [N × C], on the tape where a gradient is wanted.
  public let features: Variable

  /// Features [N × C] on N sites.
  public init(sites: SparseSites, features: Variable) {
    expect(
      features.rank == 2 && features.shape[0] == sites.count,
      "sparse tensor: features \(features.shape) on \(sites.count) sites"
    )
    self.sites = sites
    self.features = features
  }

  /// C, the number of channels.
  public var channelCount: Int { features.shape[1] }

  /// Other features on the same sites.
  public func with(_ features: Variable) -> SparseTensor {
    SparseTensor(sites: sites, features: features)
  }

  /// What `transform` makes of the features, on the same sites.
  public func map(_ transform: (Variable) -> Variable) -> SparseTensor {
    with(transform(features))
  }

  /// The channels of this tensor, then those of another on the same sites.
  public func joined(with other: SparseTensor) -> SparseTensor {
    expect(
      sites === other.sites,
      "sparse tensor: only tensors on the same sites can be joined"
    )
    return with(Variable.concatenating([features, other.features], axis: 1))
  }
}
