import ArgumentParser
import PointCloud
import Support

/// `inspect`: how dense scans are, beside what a model was trained on.
struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Show a scan's sensor and density beside those that a model was trained on.",
    discussion: """
      Densities are those of the sensor's beams at the points beyond 2.5 m, at four scales. A model \
      that was trained on a tenth to nine tenths of them has 10, 80 and 10 percent of its own scans' \
      points below, inside and above that range.

      EXAMPLES
        apus-lidar inspect scan.bin --sensor os1_128
        apus-lidar inspect scan.pcd --write-sensor mine.json
        apus-lidar inspect a.bin b.bin --sensor vlp16 --model run --json
      """
  )

  @Argument(help: ArgumentHelp("Scans.", valueName: "file"))
  var files: [String]
  @Option(help: ArgumentHelp("Write the sensor to a JSON file.", valueName: "file"))
  var writeSensor: String?
  @OptionGroup(title: "Model") var model: ModelArguments
  @OptionGroup(title: "Reading") var reading: ReadingArguments
  @OptionGroup(title: "Machine") var machine: ThreadArguments
  @OptionGroup(title: "Output") var display: OutputArguments

  func validate() throws {
    if writeSensor != nil, files.count != 1 {
      throw ValidationError("--write-sensor takes one scan, found \(files.count)")
    }
  }

  func run() throws {
    machine.apply()
    let network = try comparedModel()
    var inspections: [Inspection] = []
    for file in files {
      try Cancellation.check()
      let sensed = try reading.read(file)
      if !display.quiet { try sensed.writeNotes() }
      inspections.append(Inspection(sensed, network))
      if let writeSensor { try sensed.sensor.write(to: writeSensor) }
    }
    let stream = StandardStream.output
    guard !display.json else { return try stream.writeLine(jsonText(inspections)) }
    for inspection in inspections {
      try stream.writeLine(inspection.text(width: stream.columnCount))
    }
    if network == nil, !display.quiet {
      try StandardStream.error.writeLine("no model to compare with; name one with --model")
    }
  }

  /// The model; without one that is named or shipped there is nothing to compare with.
  private func comparedModel() throws -> PointSegmenter? {
    if model.model != nil { return try model.load() }
    guard let path = try? ShippedModel.path() else { return nil }
    return try PointSegmenter.load(path)
  }
}

/// What `inspect` says of a file.
struct Inspection: Encodable {
  var file: String
  var format: PointFileFormat
  /// The points of the file, and those that were left out.
  var rows: Int
  var missingReturns: Int
  var notFinite: Int
  var onTheCar: Int
  var sensor: BeamModel
  var estimation: BeamEstimation?
  /// The sensor that the model was trained on.
  var trainedOn: String?
  var density: DensityReport

  init(_ file: SensedFile, _ network: PointSegmenter?) {
    let reading = file.reading
    self.file = file.path
    format = reading.format
    rows = reading.rowCount
    (missingReturns, notFinite) = (reading.zeroCount, reading.nonFiniteCount)
    onTheCar = reading.egoCount
    sensor = file.sensor
    estimation = file.estimation
    trainedOn = network?.sensor?.name
    density = DensityReport(
      file.scan,
      density: BeamDensity(file.sensor),
      range: network?.densityRange
    )
  }

  /// The inspection for people.
  func text(width: Int?) -> String {
    var left: [String] = []
    if missingReturns > 0 { left.append(missingReturns.counted("missing return")) }
    if notFinite > 0 { left.append("\(notFinite.grouped) not finite") }
    if onTheCar > 0 { left.append("\(onTheCar.grouped) on the car") }
    var lines = [
      "\(file): \(format.rawValue), \(rows.counted("point"))"
        + (left.isEmpty ? "" : ", without " + left.joined(separator: ", ")),
      sensorLine,
      densityTable.text(width: width),
    ]
    if let conclusion = density.conclusion {
      lines.append("model trained on \(trainedOn ?? "an unknown sensor"): \(conclusion)")
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private var sensorLine: String {
    let spacing = zip(sensor.elevations, sensor.elevations.dropFirst()).map { $0 - $1 }.sorted()
    let median = spacing.isEmpty ? 0 : spacing[spacing.count / 2]
    return "sensor \(sensor.name): \(sensor.beamCount.counted("beam")) from "
      + "\(sensor.topElevation.fixed(2))° to \(sensor.bottomElevation.fixed(2))° (median step "
      + "\(median.fixed(2))°), \(sensor.columnCount.grouped) columns, "
      + "\(sensor.mountHeight.fixed(2)) m above the road, up to \(sensor.maximumRange.fixed(0)) m"
  }

  private var densityTable: Table {
    let isCompared = density.channels.first?.shares != nil
    var table = Table(
      ["scale", .number("p10"), .number("p50"), .number("p90"), .number("at 20 m, −3°")]
        + (isCompared ? [.number("below"), .number("inside"), .number("above")] : [])
    )
    for (index, channel) in density.channels.enumerated() {
      var cells = ["\(2 * index + 1)°"]
      cells += [channel.p10, channel.p50, channel.p90, channel.reference].map { $0.fixed(4) }
      if let shares = channel.shares {
        let values = [shares.below, shares.inside, shares.above]
        cells += values.map { (100 * $0).fixed(1) + " %" }
      }
      table.add(cells)
    }
    return table
  }
}
