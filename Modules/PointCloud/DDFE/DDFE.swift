public import Autograd
public import Tensor

/// Density discriminative feature embedding: what a sparse backbone sees instead of raw coordinates.
///
/// Points and voxels are encoded from where they lie as seen from the sensor; a gate that reads the
/// density of the sensor's beams there says which of the features count.
///
///     Fp  = PointEncoder(s_points)              s = (cos theta, sin theta, phi, r / 50)
///     Fv  = VoxelEncoder(s_voxels)
///     Fp' = sigmoid(PointGate(u_points)) * Fp   u = tanh((D - m) / l)
///     Fv' = sigmoid(VoxelGate(u_voxels)) * Fv
///     G   = max over the points of each voxel of Fp'
///     out = Fuse(concat [Fv', G])
///
///     Encoder: Linear(4, C), BN, ReLU, Linear(C, C), BN, ReLU      linear layers without bias
///     Gate:    Linear(4, h), BN, ReLU, Linear(h, C)                bias in the second only
///     Fuse:    Linear(2C, w1), BN, ReLU, ... of the fuse widths    without bias
///
/// The gradient of the maximum goes to the point that holds it, the lowest of equal ones. Parameters
/// are named `pointEncoder.0.weight`, `pointGate.3.bias`, `fuse.1.running_mean` and so on. Training
/// needs at least two points and two voxels, or batch norm has no variance.
///
/// In use (`eval()`, inside `withoutGradients`) the norms are folded into the layers before them, and
/// points are computed in runs that stay in cache.
///
/// - Shapes: s and u [P × 4] and [V × 4]; Fp, Fp' [P × Cp]; Fv, Fv' [V × Cv]; G [V × Cp];
///   out [V × last fuse width].
/// - Source: Kim, Woo, Kim and Im 2024, "Rethinking LiDAR Domain Generalization: Single Source as
///   Multiple Density Domains", arXiv 2312.12098.
/// - Choice: widths, the layers of the encoders, and that the gates read the normalized density.
public final class DDFE: FrontEnd {
  /// The widths and the parts.
  public let configuration: Configuration
  /// What encodes points, [P × 4] to [P × Cp].
  public let pointEncoder: Sequential
  /// What encodes voxels, [V × 4] to [V × Cv].
  public let voxelEncoder: Sequential
  /// The gate of the points' features; nil without gates.
  public let pointGate: Sequential?
  /// The gate of the voxels' features; nil without gates.
  public let voxelGate: Sequential?
  /// What joins the two, [V × (Cv + Cp)] to [V × out].
  public let fuse: Sequential

  /// A module of random numbers, as torch starts linear layers.
  public init(_ configuration: Configuration, using generator: inout Philox) {
    let (pointWidth, voxelWidth) = (configuration.pointWidth, configuration.voxelWidth)
    expect(
      min(pointWidth, voxelWidth, configuration.gateWidth) > 0
        && !configuration.fuseWidths.isEmpty && configuration.fuseWidths.allSatisfy { $0 > 0 },
      "ddfe: widths of at least 1 and a width of the output are needed, found \(configuration)"
    )
    self.configuration = configuration
    pointEncoder = .normalizedLayers([4, pointWidth, pointWidth], using: &generator)
    voxelEncoder = .normalizedLayers([4, voxelWidth, voxelWidth], using: &generator)
    let hasGates = configuration.gates == .density
    let gateWidth = configuration.gateWidth
    pointGate = hasGates ? .gate(gateWidth, pointWidth, using: &generator) : nil
    voxelGate = hasGates ? .gate(gateWidth, voxelWidth, using: &generator) : nil
    fuse = .normalizedLayers(
      [voxelWidth + pointWidth] + configuration.fuseWidths,
      using: &generator
    )
  }

  /// The width of the features.
  public var outputWidth: Int { configuration.outputWidth }

  /// The features of the voxels [V × out].
  public func callAsFunction(_ input: DDFEInput) -> Variable {
    if !Recording.isTraining, let use = FoldedDDFE(self) { return Variable(use(input)) }
    let voxels = gated(voxelEncoder(Variable(input.voxels)), voxelGate, input.voxelDensity)
    let pooled = segmentMaximum(pointFeatures(input), of: input.members)  // [V, Cp]
    return fuse(.concatenating([voxels, pooled], axis: 1))
  }

  /// Fp', the gated features of the points [P × Cp].
  public func pointFeatures(_ input: DDFEInput) -> Variable {
    gated(pointEncoder(Variable(input.points)), pointGate, input.pointDensity)
  }

  private func gated(
    _ features: Variable,
    _ gate: Sequential?,
    _ density: Tensor<Float>
  ) -> Variable {
    gate.map { $0(Variable(density)).gated(.sigmoid, by: features) } ?? features
  }
}

extension DDFE {
  /// Widths and parts of a `DDFE`.
  public struct Configuration: Codable, Hashable, Sendable {
    /// What multiplies the encoded features.
    public enum Gates: String, Codable, Sendable {
      /// A gate that reads the density of the beams: the paper's.
      case density
      /// Nothing: the encoding alone, one row of the ablation.
      case none
    }

    /// Cp, the width of the points' features.
    public var pointWidth: Int
    /// Cv, the width of the voxels' features.
    public var voxelWidth: Int
    /// h, the width inside the gates.
    public var gateWidth: Int
    /// The widths of the fusing layers; the last is the width of the output.
    public var fuseWidths: [Int]
    /// Whether the features are gated.
    public var gates: Gates

    /// A configuration of equal widths of points and voxels, C, unless they are given both.
    public init(
      width: Int,
      voxelWidth: Int? = nil,
      gateWidth: Int,
      fuseWidths: [Int],
      gates: Gates = .density
    ) {
      pointWidth = width
      self.voxelWidth = voxelWidth ?? width
      self.gateWidth = gateWidth
      self.fuseWidths = fuseWidths
      self.gates = gates
    }

    /// The size that the paper states, 32 features: 24,256 parameters.
    public static let paper = Configuration(width: 64, gateWidth: 32, fuseWidths: [64, 32])
    /// The default on a CPU, 16 features: 4,896 parameters.
    public static let small = Configuration(width: 32, gateWidth: 16, fuseWidths: [16])

    /// The width of the features.
    public var outputWidth: Int { fuseWidths.last ?? 0 }

    /// The number of parameters of the module.
    public var parameterCount: Int {
      func gate(_ width: Int) -> Int { 6 * gateWidth + (gateWidth + 1) * width }
      let gateCount = gates == .none ? 0 : gate(pointWidth) + gate(voxelWidth)
      return normalizedParameterCount([4, pointWidth, pointWidth])
        + normalizedParameterCount([4, voxelWidth, voxelWidth])
        + normalizedParameterCount([pointWidth + voxelWidth] + fuseWidths) + gateCount
    }
  }
}

/// The parameters of layers without bias between these widths, each with its batch norm.
func normalizedParameterCount(_ widths: [Int]) -> Int {
  zip(widths, widths.dropFirst()).reduce(0) { $0 + $1.0 * $1.1 + 2 * $1.1 }
}

extension Sequential {
  /// Linear layers without bias between these widths, each followed by batch norm and ReLU.
  static func normalizedLayers(_ widths: [Int], using generator: inout Philox) -> Sequential {
    var layers: [any Layer] = []
    for (input, output) in zip(widths, widths.dropFirst()) {
      layers += [
        Linear(inputWidth: input, outputWidth: output, hasBias: false, using: &generator),
        BatchNorm(channels: output),
        Activation.relu,
      ]
    }
    return Sequential(layers)
  }

  /// The gate of features, before the sigmoid: from the four densities to one number a feature.
  fileprivate static func gate(
    _ width: Int,
    _ features: Int,
    using generator: inout Philox
  ) -> Sequential {
    let hidden = normalizedLayers([4, width], using: &generator)
    let output = Linear(inputWidth: width, outputWidth: features, using: &generator)
    return Sequential(hidden.layers + [output])
  }
}
