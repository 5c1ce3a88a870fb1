/// What a `PointSegmenter` is made of, and how it sees a scan.
///
///     var configuration = SegmenterConfiguration(.small, frontEnd: .ddfe(.small))
///     configuration.voxelSize = 0.1
public struct SegmenterConfiguration: Codable, Hashable, Sendable {
  /// What the gates read of the beam density.
  public enum DensityInput: String, Codable, CaseIterable, Sendable {
    /// Densities softly clipped into the range that training has seen: the paper's.
    case clipped
    /// Densities in the units of that range, as far outside as they are.
    case unclipped
    /// Zeros: gates that know nothing of the density, a row of the ablation.
    case none
  }

  /// What makes the features of the voxels.
  public var frontEnd: FrontEndConfiguration
  /// The network on the voxels.
  public var backbone: SparseUNetConfiguration
  /// The names of the classes; the first is the background, which has no output.
  public var classNames: [String]
  /// The edge of a voxel in metres.
  public var voxelSize: Float
  /// The volume that is looked at, in the frame of a sensor at `mountHeight`.
  public var crop: CropVolume
  /// What the gates read.
  public var density: DensityInput
  /// The height of the training sensor above the road, in metres.
  public var mountHeight: Float
  /// Whether grid and volume stand on the road, whatever the height of the sensor.
  ///
  /// Without that, the height of the ground in its voxels is a cue that another mount breaks.
  public var alignsGround: Bool
  /// How points get the scores of voxels.
  public var devoxelization = Devoxelization.nearest

  /// A network of a size behind a front end; the ten common classes and KITTI's volume by default.
  public init(
    _ size: SparseUNetPreset = .small,
    frontEnd: FrontEndConfiguration = .ddfe(.small),
    classNames: [String] = LabelMap.commonClassNames
  ) {
    self.frontEnd = frontEnd
    self.classNames = classNames
    backbone = size.configuration(
      inputWidth: frontEnd.outputWidth,
      classCount: classNames.count - 1
    )
    voxelSize = 0.2
    crop = .kitti
    density = .clipped
    mountHeight = 1.73
    alignsGround = true
  }

  /// The number of outputs: the classes without the background.
  public var classCount: Int { classNames.count - 1 }

  /// What is added to z before a point's cell is taken, for a sensor at a height in metres.
  func heightShift(of sensorHeight: Float) -> Float { alignsGround ? sensorHeight : 0 }

  /// The volume in the frame of a sensor at a height in metres.
  public func crop(for sensorHeight: Float) -> CropVolume {
    guard alignsGround else { return crop }
    let shift = mountHeight - sensorHeight
    var volume = crop
    volume.z = crop.z.lowerBound + shift...crop.z.upperBound + shift
    return volume
  }

  /// What is wrong with the numbers, or nil.
  public var flaw: String? {
    if classNames.count < 2 { return "a class besides the background is needed" }
    if backbone.classCount != classCount {
      return "\(backbone.classCount) outputs for \(classCount) classes"
    }
    if backbone.inputWidth != frontEnd.outputWidth {
      return "a backbone of \(backbone.inputWidth) inputs behind \(frontEnd.outputWidth) features"
    }
    if !(voxelSize > 0 && voxelSize.isFinite) { return "voxels of \(voxelSize) m" }
    if !mountHeight.isFinite { return "a mount height of \(mountHeight) m" }
    return backbone.flaw ?? frontEnd.flaw
  }
}

extension SegmenterConfiguration {
  private enum CodingKeys: String, CodingKey {
    case frontEnd, backbone, classNames, voxelSize, crop, density, mountHeight, alignsGround
    case devoxelization
  }

  /// Reads a configuration; points take the scores of their voxel unless it says else.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    frontEnd = try values.decode(FrontEndConfiguration.self, forKey: .frontEnd)
    backbone = try values.decode(SparseUNetConfiguration.self, forKey: .backbone)
    classNames = try values.decode([String].self, forKey: .classNames)
    voxelSize = try values.decode(Float.self, forKey: .voxelSize)
    crop = try values.decode(CropVolume.self, forKey: .crop)
    density = try values.decode(DensityInput.self, forKey: .density)
    mountHeight = try values.decode(Float.self, forKey: .mountHeight)
    alignsGround = try values.decode(Bool.self, forKey: .alignsGround)
    let stored = try values.decodeIfPresent(Devoxelization.self, forKey: .devoxelization)
    devoxelization = stored ?? .nearest
  }

  /// Writes the configuration; the usual devoxelization is left out, as in files from before it.
  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(frontEnd, forKey: .frontEnd)
    try values.encode(backbone, forKey: .backbone)
    try values.encode(classNames, forKey: .classNames)
    try values.encode(voxelSize, forKey: .voxelSize)
    try values.encode(crop, forKey: .crop)
    try values.encode(density, forKey: .density)
    try values.encode(mountHeight, forKey: .mountHeight)
    try values.encode(alignsGround, forKey: .alignsGround)
    guard devoxelization != .nearest else { return }
    try values.encode(devoxelization, forKey: .devoxelization)
  }
}

extension FrontEndConfiguration {
  /// What is wrong with the widths, or nil.
  fileprivate var flaw: String? {
    let widths: [Int]
    switch self {
    case .constant: return nil
    case .coordinates(let options): widths = [options.width] + options.fuseWidths
    case .ddfe(let options):
      widths = [options.pointWidth, options.voxelWidth, options.gateWidth] + options.fuseWidths
    }
    return widths.contains { $0 < 1 } || widths.isEmpty ? "front-end widths of \(widths)" : nil
  }
}
