import Autograd
public import Tensor

extension PointSegmenter {
  /// The number of a scan's features: twice the width of the backbone's last level.
  public var scanFeatureCount: Int {
    2 * (configuration.backbone.decoderWidths.last ?? configuration.backbone.stemWidths.last ?? 0)
  }

  /// One vector for a scan: what the network sees before its head, pooled over the voxels.
  ///
  ///     [ mean over voxels of F | maximum over voxels of F ]      F = backbone.features
  ///
  /// For detectors of scans that are unlike those before, and other work on whole scans. The mean says
  /// how much of each feature there is, the maximum whether it appears at all.
  ///
  /// - Parameters:
  ///   - scan: points in the frame of the sensor.
  ///   - density: the density of the sensor's beams.
  /// - Returns: [2 · W], W the width of the backbone's last level; nil if no point lies in the volume
  ///   that the model looks at.
  /// - Throws: `VoxelError` if a point inside the volume does not fit into the grid.
  /// - Shapes: F [V × W].
  public func features(
    of scan: LidarScan,
    density: BeamDensity
  ) throws(VoxelError) -> Tensor<Float>? {
    guard let (input, _) = try self.input(of: scan, density: density) else { return nil }
    let voxels = withoutGradients { backbone.features(backboneInput(of: input)).features.value }
    return .concatenating([voxels.mean(axes: [0]), voxels.max(axes: [0])], axis: 0)
  }
}
