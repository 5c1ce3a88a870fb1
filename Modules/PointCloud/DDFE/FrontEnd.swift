public import Autograd
public import Tensor

/// What makes the input features of a sparse backbone out of a scan: the rows of the ablation.
///
/// `DDFE` with and without gates, `CoordinateFrontEnd` of the same size, `ConstantFrontEnd`.
public protocol FrontEnd: Module {
  /// The width of the features.
  var outputWidth: Int { get }

  /// The features of the voxels.
  ///
  /// - Shapes: result [V × outputWidth].
  func callAsFunction(_ input: DDFEInput) -> Variable
}

/// Which front end a model has, and of what size.
public enum FrontEndConfiguration: Codable, Hashable, Sendable {
  /// One feature that is always 1: the base row of the ablation.
  case constant
  /// A network on x, y, z: the base row with as many parameters as DDFE.
  case coordinates(CoordinateFrontEnd.Configuration)
  /// DDFE, or without gates its encoding alone.
  case ddfe(DDFE.Configuration)

  /// The front end, started from random numbers.
  public func makeFrontEnd(using generator: inout Philox) -> any FrontEnd {
    switch self {
    case .constant: ConstantFrontEnd()
    case .coordinates(let configuration): CoordinateFrontEnd(configuration, using: &generator)
    case .ddfe(let configuration): DDFE(configuration, using: &generator)
    }
  }

  /// The width of the features.
  public var outputWidth: Int {
    switch self {
    case .constant: 1
    case .coordinates(let configuration): configuration.outputWidth
    case .ddfe(let configuration): configuration.outputWidth
    }
  }
}

/// A front end that knows nothing: every voxel has the feature 1, and the backbone sees shape alone.
public final class ConstantFrontEnd: FrontEnd {
  /// A front end without parameters.
  public init() {}

  /// The width of the features: 1.
  public var outputWidth: Int { 1 }

  /// Ones [V × 1].
  public func callAsFunction(_ input: DDFEInput) -> Variable {
    Variable(.ones([input.voxelCount, 1]))
  }
}

/// A network on the coordinates of the points, for a comparison with DDFE at equal size.
///
///     F   = Encoder((x, y, z) / 50)     Linear(3, C), BN, ReLU, Linear(C, C), BN, ReLU
///     G   = max over the points of each voxel of F
///     out = Fuse(G)                     Linear(C, w1), BN, ReLU, ... of the fuse widths
///
/// It sees as much of the scan as DDFE's point path and has the same pooling and fusing layers, but
/// neither spherical coordinates, nor a path of voxels, nor density.
///
/// - Shapes: x, y, z [P × 3]; F [P × C]; G [V × C]; out [V × last fuse width].
public final class CoordinateFrontEnd: FrontEnd {
  /// The widths.
  public let configuration: Configuration
  /// What encodes points, [P × 3] to [P × C].
  public let pointEncoder: Sequential
  /// What follows the pooling, [V × C] to [V × out].
  public let fuse: Sequential

  /// A network of random numbers, as torch starts linear layers.
  public init(_ configuration: Configuration, using generator: inout Philox) {
    let width = configuration.width
    expect(
      width > 0 && !configuration.fuseWidths.isEmpty
        && configuration.fuseWidths.allSatisfy { $0 > 0 },
      "coordinate front end: widths of at least 1 are needed, found \(configuration)"
    )
    self.configuration = configuration
    pointEncoder = .normalizedLayers([3, width, width], using: &generator)
    fuse = .normalizedLayers([width] + configuration.fuseWidths, using: &generator)
  }

  /// The width of the features.
  public var outputWidth: Int { configuration.outputWidth }

  /// The features of the voxels [V × out].
  public func callAsFunction(_ input: DDFEInput) -> Variable {
    let points = Variable(input.positions * (1 / SphericalFeatures.rangeScale))
    return fuse(segmentMaximum(pointEncoder(points), of: input.members))
  }

  /// Widths of a `CoordinateFrontEnd`.
  public struct Configuration: Codable, Hashable, Sendable {
    /// C, the width of the points' features.
    public var width: Int
    /// The widths of the fusing layers; the last is the width of the output.
    public var fuseWidths: [Int]

    /// These widths.
    public init(width: Int, fuseWidths: [Int]) {
      self.width = width
      self.fuseWidths = fuseWidths
    }

    /// The widths that come nearest to the parameters of a DDFE, with its fusing layers.
    ///
    /// 24,236 parameters for `.paper`, 4,870 for `.small`.
    public init(matching other: DDFE.Configuration) {
      func error(_ width: Int) -> Int {
        let trial = Configuration(width: width, fuseWidths: other.fuseWidths)
        return abs(trial.parameterCount - other.parameterCount)
      }
      var width = 1
      while error(width + 1) < error(width) { width += 1 }
      self.init(width: width, fuseWidths: other.fuseWidths)
    }

    /// The width of the features.
    public var outputWidth: Int { fuseWidths.last ?? 0 }

    /// The number of parameters of the network.
    public var parameterCount: Int {
      normalizedParameterCount([3, width, width]) + normalizedParameterCount([width] + fuseWidths)
    }
  }
}
