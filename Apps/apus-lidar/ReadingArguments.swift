import ArgumentParser
import PointCloud
import Support

/// How files of scans are read, and which sensor they are of.
struct ReadingArguments: ParsableArguments {
  @Option(
    name: .shortAndLong,
    help: "The sensor: a name, or a JSON file; estimated from the scan by default."
  )
  var sensor: SensorChoice?

  @Option(
    help: """
      The sensor's height above the road in metres. (default: the sensor's; how far the ground lies \
      below, if it is estimated)
      """
  )
  var mountHeight: Double?

  @Option(help: "The format, where bytes and name do not tell: kitti, nuScenes, pcd, ply or las.")
  var format: PointFileFormat?

  @Option(help: "The numbers of a point in a KITTI file. (default: found out)")
  var floatsPerPoint: Int?

  @Option(help: "How rings are numbered: topFirst, bottomFirst or measured.")
  var ringOrder = ScanReadingOptions.RingOrder.measured

  @Option(
    help: ArgumentHelp("What is taken off coordinates of LAS: the sensor.", valueName: "x,y,z")
  )
  var origin: Position?

  @Flag(help: "Keep points at exactly (0, 0, 0), which are missing returns.")
  var keepZeros = false

  @Flag(help: "Leave out points within a metre of the sensor, which lie on the car itself.")
  var removeEgo = false

  func validate() throws {
    if let mountHeight, !(mountHeight >= 0 && mountHeight <= 1000) {
      throw ValidationError("--mount-height \(mountHeight) must be 0 to 1000 metres")
    }
  }

  /// Reads a scan and finds its sensor, with the labels of another file if one is given.
  func read(_ path: String, labels: String? = nil) throws -> SensedFile {
    try SensedFile(path, options(labels: labels), sensor, mountHeight: mountHeight)
  }

  /// Reads a scan for which no sensor is needed.
  func scan(_ path: String, labels: String? = nil) throws -> LidarScan {
    try LidarScan(contentsOf: path, options: options(labels: labels))
  }

  private func options(labels: String?) -> ScanReadingOptions {
    var options = ScanReadingOptions(
      format: format,
      floatsPerPoint: floatsPerPoint,
      labelPath: labels,
      dropsZeros: !keepZeros,
      removesEgo: removeEgo
    )
    options.ringOrder = ringOrder
    if let origin { options.origin = origin.value }
    return options
  }
}

/// Three numbers with commas between them.
struct Position: ExpressibleByArgument {
  let value: SIMD3<Double>

  init?(argument: String) {
    let numbers = argument.split(separator: ",").compactMap { Double($0) }.filter(\.isFinite)
    guard numbers.count == 3 else { return nil }
    value = SIMD3(numbers[0], numbers[1], numbers[2])
  }
}

/// A scan of a file, and the sensor that it is of.
struct SensedFile {
  let path: String
  let reading: ScanReading
  let sensor: BeamModel
  /// How the beams were found if no sensor was given.
  let estimation: BeamEstimation?
  /// How it is known how high the sensor stands.
  let height: Height

  enum Height {
    /// It was given, alone or with the sensor.
    case given
    /// It is how far the ground lies below the sensor.
    case ground
    /// Nothing tells.
    case assumed
  }

  var scan: LidarScan { reading.scan }

  init(
    _ path: String,
    _ options: ScanReadingOptions,
    _ choice: SensorChoice?,
    mountHeight: Double?
  ) throws {
    self.path = path
    // A sensor that is not known is found before a file is read.
    let known = try choice?.model(mountHeight: mountHeight)
    reading = try ScanReading(contentsOf: path, options: options)
    if let known {
      (sensor, estimation, height) = (known, nil, .given)
      return
    }
    let scan = reading.scan
    let ground = scan.groundDepth()
    do {
      var model = try BeamModel(estimatedFrom: scan, name: "estimated")
      model.mountHeight = mountHeight ?? ground ?? model.mountHeight
      sensor = model
    } catch let error {
      throw CommandFailure(
        "\(path): no sensor was given, and none can be told from the scan (\(error)); name it with "
          + "--sensor"
      )
    }
    estimation = BeamModel.estimation(of: scan)
    height = mountHeight != nil ? .given : ground != nil ? .ground : .assumed
  }

  /// What a person should know of the sensor; empty if there is nothing to say.
  var notes: [String] { [sensorNote, heightNote].compactMap { $0 } }

  private var sensorNote: String? {
    guard let estimation else { return nil }
    let way =
      switch estimation {
      case .rings: "its rings"
      case .azimuthJumps: "the order of its points"
      case .elevationHistogram: "the elevations of its points, which is not exact"
      }
    return "\(path): sensor estimated by \(way): \(sensor.beamCount.counted("beam")) from "
      + "\(sensor.topElevation.fixed(1))° to \(sensor.bottomElevation.fixed(1))°, "
      + "\(sensor.columnCount.grouped) columns; give --sensor if you know it"
  }

  /// A height in metres that differs by more is worth a word.
  private static let largestDifference = 0.3

  private var heightNote: String? {
    let start =
      "warning: \(path): the sensor is taken to stand \(sensor.mountHeight.fixed(2)) m above the road"
    let advice = "; a wrong height costs accuracy: give --mount-height"
    switch height {
    case .assumed: return start + ", which the scan does not tell" + advice
    case .ground: return start + ", as far as most points around it lie below" + advice
    case .given:
      guard let ground = scan.groundDepth(),
        abs(ground - sensor.mountHeight) > Self.largestDifference
      else { return nil }
      return start + ", but most points around it lie \(ground.fixed(2)) m below" + advice
    }
  }

  /// Writes the notes to standard error.
  func writeNotes() throws {
    for note in notes { try StandardStream.error.writeLine(note) }
  }
}

extension BeamModel {
  /// The elevation of the topmost beam in degrees.
  var topElevation: Double { elevations.first ?? 0 }
  /// The elevation of the lowest beam in degrees.
  var bottomElevation: Double { elevations.last ?? 0 }
}
