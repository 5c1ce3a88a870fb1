import ArgumentParser
import PointCloud

/// What a network is made of.
struct NetworkArguments: ParsableArguments {
  /// What makes the features of voxels, by the names of the ablation.
  enum FrontEndName: String, Codable, CaseIterable, ExpressibleByArgument {
    /// The feature 1.
    case constant
    /// A network on x, y, z of DDFE's size.
    case coordinates
    /// DDFE without gates.
    case encoding
    /// DDFE.
    case ddfe
  }

  /// The size of DDFE, and of what it is compared with.
  enum DDFESize: String, Codable, CaseIterable, ExpressibleByArgument {
    case small, paper

    var configuration: DDFE.Configuration {
      switch self {
      case .small: .small
      case .paper: .paper
      }
    }
  }

  /// The classes that are learned.
  enum Classes: String, Codable, CaseIterable, ExpressibleByArgument {
    /// The ten classes that the data sets of streets share.
    case common
    /// SemanticKITTI's 19.
    case semanticKITTI = "semantickitti"

    var map: LabelMap {
      switch self {
      case .common: .common(from: .semanticKITTI)
      case .semanticKITTI: .semanticKITTI19
      }
    }
  }

  @Option(help: "The backbone: tiny (0.2 M), small (0.4 M), base (3 M), minkunet34 or minkunetSPV.")
  var size = SparseUNetPreset.small
  @Option(help: "The front end: constant, coordinates, encoding (DDFE without gates) or ddfe.")
  var frontEnd = FrontEndName.ddfe
  @Option(name: .customLong("ddfe"), help: "The size of the front end: small or paper.")
  var ddfeSize = DDFESize.small
  @Option(help: "What the gates read: clipped, unclipped or none.")
  var density = SegmenterConfiguration.DensityInput.clipped
  @Option(help: "The classes: common (ten) or semantickitti (19).")
  var classes = Classes.common
  @Option(help: "How points get the scores of voxels: nearest (their own) or trilinear.")
  var devoxelization = Devoxelization.nearest
  @Option(help: "The edge of a voxel in metres.")
  var voxelSize: Float = 0.2
  @Option(help: "How far the network looks to each side, in metres.")
  var cropRadius: Float = 50
  @Flag(help: "Move points outside to the border of what is looked at, as in published results.")
  var clamp = false
  @Flag(
    inversion: .prefixedNo,
    help: "Let the grid stand on the road, whatever the height of the sensor."
  )
  var groundAlignment = true

  func validate() throws {
    guard voxelSize >= 0.01, voxelSize <= 10 else {
      throw ValidationError("--voxel-size \(voxelSize) must be 0.01 to 10 metres")
    }
    guard cropRadius >= 1, cropRadius <= 1000 else {
      throw ValidationError("--crop-radius \(cropRadius) must be 1 to 1000 metres")
    }
    if frontEnd != .ddfe, density != .clipped {
      throw ValidationError("--density belongs to --front-end ddfe; leave it out")
    }
    if frontEnd == .constant, ddfeSize != .small {
      throw ValidationError("--ddfe has no meaning for --front-end constant; leave it out")
    }
  }

  /// The network for scans of a sensor.
  func configuration(for sensor: BeamModel) -> SegmenterConfiguration {
    let names = classes.map.classNames
    var result = SegmenterConfiguration(size, frontEnd: frontEndConfiguration, classNames: names)
    result.voxelSize = voxelSize
    result.density = density
    result.mountHeight = Float(sensor.mountHeight)
    result.alignsGround = groundAlignment
    result.devoxelization = devoxelization
    // KITTI's volume over the road, in the frame of this sensor.
    let kitti = CropVolume.kitti.z
    let shift = Float(BeamModel.hdl64e.mountHeight - sensor.mountHeight)
    let heights = kitti.lowerBound + shift...kitti.upperBound + shift
    result.crop = CropVolume(radius: cropRadius, z: heights, mode: clamp ? .clamp : .drop)
    return result
  }

  private var frontEndConfiguration: FrontEndConfiguration {
    var ddfe = ddfeSize.configuration
    switch frontEnd {
    case .constant: return .constant
    case .coordinates: return .coordinates(.init(matching: ddfe))
    case .encoding:
      ddfe.gates = .none
      return .ddfe(ddfe)
    case .ddfe: return .ddfe(ddfe)
    }
  }

  /// The row of the ablation that this is.
  var name: String {
    var name = frontEnd.rawValue
    if ddfeSize != .small { name += " " + ddfeSize.rawValue }
    switch density {
    case .clipped: break
    case .unclipped: name += ", unclipped density"
    case .none: name += ", no density"
    }
    if !groundAlignment { name += ", not aligned" }
    if clamp { name += ", clamped" }
    if devoxelization != .nearest { name += ", " + devoxelization.rawValue }
    return name
  }
}
