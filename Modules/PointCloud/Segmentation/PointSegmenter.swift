public import Autograd
public import Tensor

/// A network that gives every point of a LiDAR scan a class, for any sensor.
///
///     let model = try PointSegmenter(path: "street.safetensors")
///     let scan = try LidarScan(contentsOf: "scan.pcd")
///     let classes = try model.segment(scan, of: .vlp16).classes        // [P]
///
/// A front end (DDFE, or one of the ablation) makes features of the points in each voxel, a sparse
/// U-Net scores the voxels, and points take the class of their voxel. The sensor enters through its
/// beam model alone: density at every point, and how high it stands above the road.
///
/// Checkpoint paths: `frontEnd.pointEncoder.0.weight`, `backbone.stem.0.convolution.weight`.
///
/// - Source: Kim et al. 2024, "Rethinking LiDAR Domain Generalization: Single Source as Multiple
///   Density Domains", arXiv 2312.12098.
public final class PointSegmenter: Module {
  /// What the network is made of.
  public let configuration: SegmenterConfiguration
  /// What makes the features of the voxels.
  public let frontEnd: any FrontEnd
  /// The network on the voxels.
  public let backbone: SparseUNet
  /// The densities of the training scans; nil before training.
  public var densityRange: DensityRange?
  /// The sensor that the training scans are of; nil before training.
  public var sensor: BeamModel?

  /// A network that starts from random numbers.
  public init(_ configuration: SegmenterConfiguration, using generator: inout Philox) {
    let flaw = configuration.flaw
    expect(flaw == nil, "point segmenter: \(flaw ?? "")")
    self.configuration = configuration
    frontEnd = configuration.frontEnd.makeFrontEnd(using: &generator)
    backbone = SparseUNet(configuration.backbone, using: &generator)
  }

  /// Visits the two networks.
  public func visitParameters(_ visitor: ModuleVisitor) {
    visitor.visit("frontEnd", frontEnd)
    visitor.visit("backbone", backbone)
  }

  /// The scores of the classes for each voxel [V × C]; output c is of class c + 1.
  public func callAsFunction(_ input: SegmentationInput) -> Variable {
    backbone(backboneInput(of: input))
  }

  /// The features of the voxels [V × F], by the front end: what the backbone gets.
  public func backboneInput(of input: SegmentationInput) -> SparseTensor {
    SparseTensor(sites: input.voxels.sites, features: frontEnd(input.frontEnd))
  }
}

extension Tensor {
  /// Puts the elements of `values` into the places `indices`.
  fileprivate mutating func set(_ values: Tensor, at indices: [Int32]) {
    withUnsafeMutableElements { target in
      values.withUnsafeElements { values in
        for (place, index) in indices.enumerated() { target[Int(index)] = values[place] }
      }
    }
  }
}

/// The classes of a scan's points.
public struct SegmentedScan: Sendable {
  /// The class of each point [P]; 0 for points outside the volume that the model looks at.
  public var classes: Tensor<Int32>
  /// The softmax probability of each point's class [P]; 0 outside.
  public var confidence: Tensor<Float>
  /// The number of voxels.
  public var voxelCount: Int
}

extension PointSegmenter {
  /// The class of every point of a scan.
  ///
  /// Runs with the running statistics of batch norms (`eval()`), whatever the mode was before.
  ///
  /// - Parameters:
  ///   - scan: points in the frame of the sensor.
  ///   - sensor: the sensor that the scan is of.
  /// - Returns: a class for every point.
  /// - Throws: `VoxelError` if a point inside the volume does not fit into the grid.
  public func segment(
    _ scan: LidarScan,
    of sensor: BeamModel
  ) throws(VoxelError) -> SegmentedScan {
    try segment(scan, density: BeamDensity(sensor))
  }

  /// The class of every point of a scan, with a density whose profiles are there already: for many
  /// scans of one sensor.
  ///
  /// - Throws: `VoxelError` if a point inside the volume does not fit into the grid.
  public func segment(
    _ scan: LidarScan,
    density: BeamDensity
  ) throws(VoxelError) -> SegmentedScan {
    let found = try classify(scan, density: density)
    var result = SegmentedScan(
      classes: .zeros([scan.count]),
      confidence: .zeros([scan.count]),
      voxelCount: found.voxelCount
    )
    result.classes.set(found.classes, at: found.points)
    result.confidence.set(found.confidence, at: found.points)
    return result
  }

  /// The points of a scan that lie in the volume, and what they are.
  struct ClassifiedPoints {
    /// Which points of the scan [inside].
    var points: [Int32]
    /// The class of each [inside].
    var classes: Tensor<Int32>
    /// The softmax probability of that class [inside].
    var confidence: Tensor<Float>
    var voxelCount: Int
  }

  /// The classes of the points in the volume; nothing is asked of the network outside of it, unless
  /// the volume moves the points outside to its border, as in training.
  func classify(
    _ scan: LidarScan,
    density: BeamDensity
  ) throws(VoxelError) -> ClassifiedPoints {
    guard let (input, inside) = try self.input(of: scan, density: density) else {
      return .init(points: [], classes: .zeros([0]), confidence: .zeros([0]), voxelCount: 0)
    }
    let scores = withoutGradients { self(input).value }  // [V, C]
    // Points that share a voxel share its class: it is found once.
    let isOfPoints = configuration.devoxelization == .trilinear
    let probabilities = (isOfPoints ? input.pointScores(ofVoxels: scores) : scores).softmax()
    let (classes, confidence) = (probabilities.argMax(axis: 1) + 1, probabilities.max(axes: [1]))
    return .init(
      points: inside,
      classes: isOfPoints ? classes : input.voxels.gather(classes),
      confidence: isOfPoints ? confidence : input.voxels.gather(confidence),
      voxelCount: input.voxels.count
    )
  }

  /// The voxels of the points of a scan that lie in the volume, and which points these are [inside].
  ///
  /// The network is in use (`eval()`) afterwards.
  ///
  /// - Returns: nil if no point lies in the volume.
  /// - Throws: `VoxelError` if a point inside the volume does not fit into the grid.
  public func input(
    of scan: LidarScan,
    density: BeamDensity
  ) throws(VoxelError) -> (input: SegmentationInput, points: [Int32])? {
    let height = Float(density.model.mountHeight)
    let volume = configuration.crop(for: height)
    let inside = volume.held(scan.positions)
    guard !inside.isEmpty else { return nil }
    eval()
    var points = DensityCloud(scan.selecting(inside), density: density)
    if volume.mode == .clamp { points = volume(points) }
    let cloud = SegmentationInput.Cloud(
      points,
      heightShift: configuration.heightShift(of: height)
    )
    var generator = Philox(seed: 0)
    let input = try SegmentationInput(
      [cloud],
      configuration,
      range: densityRange,
      using: &generator
    )
    return (input, inside)
  }
}
