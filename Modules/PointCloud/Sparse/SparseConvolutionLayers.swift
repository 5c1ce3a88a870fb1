public import Autograd
public import Tensor

/// What sparse convolutions start from and how wide they are.
public struct SparseConvolutionOptions: Hashable, Sendable {
  /// I, the channels of the input.
  public var inputChannels: Int
  /// O, the channels of the output.
  public var outputChannels: Int
  /// The edge of the kernel.
  public var kernelSize: Int
  /// Whether there is a bias, 0 at the start.
  public var hasBias: Bool
  /// What the weight starts from.
  public var initializer: SparseInitializer

  /// A convolution of I to O channels.
  public init(
    inputChannels: Int,
    outputChannels: Int,
    kernelSize: Int,
    hasBias: Bool = false,
    initializer: SparseInitializer = .presentNeighbours
  ) {
    self.inputChannels = inputChannels
    self.outputChannels = outputChannels
    self.kernelSize = kernelSize
    self.hasBias = hasBias
    self.initializer = initializer
  }

  func weight(neighbours: Int, using generator: inout Philox) -> Parameter {
    let volume = kernelSize * kernelSize * kernelSize
    let shape: Shape = [volume, inputChannels, outputChannels]
    return Parameter(initializer(shape, neighbours: neighbours, using: &generator))
  }

  func bias() -> Parameter? { hasBias ? Parameter(.zeros([outputChannels])) : nil }
}

/// A layer that multiplies the features of neighbouring sites by a weight: what a quantizer rounds.
public protocol SparseConvolutionLayer: Module {
  /// W [K³ × I × O].
  var weight: Parameter { get }
  /// What multiplies in the place of W [K³ × I × O], as while its rounding is learned; nil for W.
  var substitute: (() -> Variable)? { get set }
}

extension SparseConvolutionLayer {
  /// What multiplies.
  var usedWeight: Variable { substitute?() ?? weight.variable }
}

/// A convolution that keeps the active sites: each takes its active neighbours in.
///
///     out[p] = Σ x[p + d] · W[k] + b      d = (ix, iy, iz) − K/2,  k = (ix · K + iy) · K + iz
///
/// - Shapes: weight [K³ × I × O], bias [O] or none; features [N × I] to [N × O].
/// - Source: Graham et al. 2018, "3D Semantic Segmentation with Submanifold Sparse Convolutional
///   Networks".
public final class SubmanifoldConvolution: SparseConvolutionLayer {
  /// W [K³ × I × O].
  public let weight: Parameter
  /// b [O], or nil.
  public let bias: Parameter?
  /// K, the edge of the kernel.
  public let kernelSize: Int
  /// What multiplies in the place of W; nil for W.
  public var substitute: (() -> Variable)?

  /// A layer over a weight [K³ × I × O] of an odd K and a bias [O].
  public init(weight: Parameter, bias: Parameter? = nil) {
    kernelSize = checkedKernel(weight, bias, of: [1, 3, 5, 7, 9, 11], "submanifold convolution")
    self.weight = weight
    self.bias = bias
  }

  /// A layer that starts from random numbers.
  public convenience init(_ options: SparseConvolutionOptions, using generator: inout Philox) {
    let neighbours = options.kernelSize * options.kernelSize
    let weight = options.weight(neighbours: neighbours, using: &generator)
    self.init(weight: weight, bias: options.bias())
  }

  /// The features of the same sites.
  public func callAsFunction(_ input: SparseTensor) -> SparseTensor {
    let map = input.sites.submanifoldMap(kernelSize: kernelSize)
    return input.map {
      sparseConvolution($0, weight: usedWeight, bias: bias?.variable, map: map)
    }
  }
}

/// A convolution of stride 2, onto the coarser sites that any active site reaches.
///
///     out[q] = Σ x[2q + d] · W[k] + b      d = (ix, iy, iz) for K = 2, (ix, iy, iz) − 1 for K = 3
///
/// - Shapes: weight [K³ × I × O], bias [O] or none; features [N × I] to [M × O].
public final class StridedSparseConvolution: SparseConvolutionLayer {
  /// W [K³ × I × O].
  public let weight: Parameter
  /// b [O], or nil.
  public let bias: Parameter?
  /// K, the edge of the kernel: 2 or 3.
  public let kernelSize: Int
  /// What multiplies in the place of W; nil for W.
  public var substitute: (() -> Variable)?

  /// A layer over a weight [K³ × I × O] and a bias [O].
  public init(weight: Parameter, bias: Parameter? = nil) {
    kernelSize = checkedKernel(weight, bias, of: [2, 3], "strided sparse convolution")
    self.weight = weight
    self.bias = bias
  }

  /// A layer that starts from random numbers.
  public convenience init(_ options: SparseConvolutionOptions, using generator: inout Philox) {
    self.init(weight: options.weight(neighbours: 1, using: &generator), bias: options.bias())
  }

  /// The features of the coarser sites.
  public func callAsFunction(_ input: SparseTensor) -> SparseTensor {
    let (sites, map) = input.sites.strided(kernelSize: kernelSize)
    let features = sparseConvolution(
      input.features,
      weight: usedWeight,
      bias: bias?.variable,
      map: map
    )
    return SparseTensor(sites: sites, features: features)
  }
}

/// The way back from coarser sites to those that a strided convolution came from.
///
///     out[p] = Σ x[q] · W[k] + b      over the pairs (k, p, q) of the strided convolution
///
/// - Shapes: weight [K³ × I × O] with I the channels of the coarse features, bias [O] or none;
///   features [M × I] to [N × O].
public final class InverseSparseConvolution: SparseConvolutionLayer {
  /// W [K³ × I × O].
  public let weight: Parameter
  /// b [O], or nil.
  public let bias: Parameter?
  /// K, the edge of the kernel: 2 or 3.
  public let kernelSize: Int
  /// What multiplies in the place of W; nil for W.
  public var substitute: (() -> Variable)?

  /// A layer over a weight [K³ × I × O] and a bias [O].
  public init(weight: Parameter, bias: Parameter? = nil) {
    kernelSize = checkedKernel(weight, bias, of: [2, 3], "inverse sparse convolution")
    self.weight = weight
    self.bias = bias
  }

  /// A layer that starts from random numbers.
  public convenience init(_ options: SparseConvolutionOptions, using generator: inout Philox) {
    self.init(weight: options.weight(neighbours: 1, using: &generator), bias: options.bias())
  }

  /// The features of finer sites.
  ///
  /// - Parameters:
  ///   - input: features on the sites that a strided convolution of `sites` led to.
  ///   - sites: the finer sites.
  /// - Returns: features on `sites`.
  public func callAsFunction(_ input: SparseTensor, onto sites: SparseSites) -> SparseTensor {
    let (coarse, map) = sites.strided(kernelSize: kernelSize)
    expect(
      coarse === input.sites,
      "inverse sparse convolution: the input's \(input.sites.count) sites do not come from these "
        + "\(sites.count) by a kernel of \(kernelSize)"
    )
    let features = sparseConvolution(
      input.features,
      weight: usedWeight,
      bias: bias?.variable,
      map: map,
      direction: .inverse
    )
    return SparseTensor(sites: sites, features: features)
  }
}

/// The edge of a weight's kernel, which must be one of `sizes`.
private func checkedKernel(
  _ weight: Parameter,
  _ bias: Parameter?,
  of sizes: [Int],
  _ name: String
) -> Int {
  let volume = weight.shape.rank == 3 ? weight.shape[0] : 0
  guard let size = sizes.first(where: { $0 * $0 * $0 == volume }) else {
    let known = sizes.map { "\($0)³" }.joined(separator: ", ")
    fatalError("\(name): a weight is [\(known) × I × O], found \(weight.shape)")
  }
  expect(
    bias.map { $0.shape == [weight.shape[2]] } ?? true,
    "\(name): the bias does not fit, \(bias?.shape ?? []) · \(weight.shape)"
  )
  return size
}
