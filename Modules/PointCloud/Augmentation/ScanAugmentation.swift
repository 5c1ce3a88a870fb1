public import Tensor

/// All that happens to a training scan between its file and the voxel grid, in the order it must.
///
///     beams added, beams removed   of the scan and its sensor
///     density                      of each scan in its own sensor's frame
///     second scan joined
///     turned, mirrored, scaled
///     cropped
///
/// A second scan loses beams by its own draw, as it would on its own.
///
/// - Source: Kim et al. 2024, "Rethinking LiDAR Domain Generalization", for the two density
///   augmentations.
/// - Choice: the order.
public struct ScanAugmentation: Codable, Hashable, Sendable {
  /// Adds beams; nil, the default, adds none.
  public var interpolation: BeamInterpolation?
  /// Removes beams; nil removes none.
  public var sampling: BeamSampling?
  /// Joins two scans; nil joins none.
  public var mix: Mix3D?
  /// Moves the points; nil leaves them.
  public var geometry: GeometricAugmentation?
  /// The volume that is left; nil leaves all.
  public var crop: CropVolume?

  /// The augmentation of the paper, cropped to KITTI's volume.
  public init(
    interpolation: BeamInterpolation? = nil,
    sampling: BeamSampling? = BeamSampling(),
    mix: Mix3D? = Mix3D(),
    geometry: GeometricAugmentation? = GeometricAugmentation(),
    crop: CropVolume? = .kitti
  ) {
    self.interpolation = interpolation
    self.sampling = sampling
    self.mix = mix
    self.geometry = geometry
    self.crop = crop
  }

  /// No augmentation: for evaluation, and to compare with.
  public static func none(crop: CropVolume? = .kitti) -> ScanAugmentation {
    ScanAugmentation(sampling: nil, mix: nil, geometry: nil, crop: crop)
  }

  /// A training example of a scan.
  ///
  /// `partner` gives a second scan of the training set, nil if there is none; it is asked only if
  /// the draw says to mix.
  ///
  /// - Throws: What `partner` throws.
  public func callAsFunction<Failure: Error>(
    _ scan: SensedScan,
    using generator: inout Philox,
    partner: (_ generator: inout Philox) throws(Failure) -> SensedScan?
  ) throws(Failure) -> DensityCloud {
    var cloud = sensed(scan, &generator)
    if let mix, mix.isDrawn(using: &generator), let other = try partner(&generator) {
      let second = sensed(other, &generator)
      cloud = mix(cloud, with: second, crop: crop, using: &generator)
    }
    if let geometry { cloud = geometry(cloud, using: &generator) }
    return crop?(cloud) ?? cloud
  }

  /// The points of a scan with changed beams, and their densities.
  private func sensed(_ scan: SensedScan, _ generator: inout Philox) -> DensityCloud {
    var scan = scan
    if let interpolation { scan = interpolation(scan) }
    if let sampling { scan = sampling(scan, using: &generator) }
    return DensityCloud(scan)
  }
}
