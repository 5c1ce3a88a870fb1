import ArgumentParser
import Foundation
import PointCloud
import Quantization
import Support
import Tensor

/// `quantize`: a network whose sparse convolutions are packed codes.
struct QuantizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "quantize",
    abstract: "Round a network's sparse convolutions to few bits.",
    discussion: """
      flexround learns the rounding, level by level, so that a level's output on some scans stays what \
      it was: give scans without labels, or --simulated. rtn rounds to nearest and needs none. The \
      stem, the matrices beside residual blocks and the head take --edge-bits; the front end and the \
      norms stay floats. The output holds packed codes, and all other commands read it as a model; \
      they compute in floats, so it saves room on disk and not time.

      EXAMPLES
        apus-lidar quantize --method rtn --bits 4 --output street-4.safetensors
        apus-lidar quantize scans/*.bin --sensor vlp16 --bits 3 --output street-3.safetensors
        apus-lidar quantize --simulated 16 --model run --bits 2 --output run-2.safetensors
        apus-lidar eval Models/street.safetensors street-4.safetensors --sensors hdl64e,vlp16
      """
  )

  @Argument(help: ArgumentHelp("Scans, or folders of them, to learn from.", valueName: "path"))
  var paths: [String] = []
  @Option(name: .shortAndLong, help: ArgumentHelp("The file to write.", valueName: "file"))
  var output: String
  @Option(help: "How codes are chosen: flexround or rtn.")
  var method = BackboneQuantization.Method.flexround
  @Option(help: "The bits of a weight of the levels, 1 to 8.")
  var bits = 4
  @Option(help: "The bits of the stem, of matrices and of the head, 1 to 8.")
  var edgeBits = 8
  @Option(help: "Who shares a step size: an output channel, or all of a tensor.")
  var granularity = BackboneQuantization.Sharing.channel
  @Option(help: "The steps of each level.")
  var steps = 200
  @Option(help: "The learning rate. (default: from the number of steps)")
  var learningRate: Float?
  @Option(help: "Learn from so many simulated scenes, in place of files.")
  var simulated: Int?
  @Option(help: "The number of the first simulated scene.")
  var first = 0
  @Option(help: "The seed of the order of scans, and of what the simulated sensor adds.")
  var seed: UInt64 = 0
  @OptionGroup(title: "Model") var model: ModelArguments
  @OptionGroup(title: "Reading") var reading: ReadingArguments
  @OptionGroup(title: "Machine") var machine: ThreadArguments
  @OptionGroup(title: "Output") var display: OutputArguments

  func validate() throws {
    for (value, name) in [(bits, "--bits"), (edgeBits, "--edge-bits")] {
      guard QuantizationGrid.supportedBits.contains(value) else {
        throw ValidationError("\(name) \(value) must be 1 to 8")
      }
    }
    guard (1...1_000_000).contains(steps) else {
      throw ValidationError("--steps \(steps) must be 1 to 1,000,000")
    }
    if let learningRate, !(learningRate > 0 && learningRate.isFinite) {
      throw ValidationError("--learning-rate \(learningRate) must be above 0")
    }
    guard (1...SceneArguments.most).contains(simulated ?? 1),
      (0...SceneArguments.most).contains(first)
    else { throw ValidationError("--simulated must be above 0, --first not below, at most 10⁹") }
    let isGiven = !paths.isEmpty || simulated != nil
    switch method {
    case .rtn:
      if isGiven { throw ValidationError("--method rtn needs no scans; leave them out") }
    case .flexround:
      guard paths.isEmpty != (simulated == nil) else {
        throw ValidationError("give either scans or --simulated COUNT to learn from")
      }
    }
  }

  func run() throws {
    machine.apply()
    let source = try model.file()
    guard !PackedSegmenterFile.isPacked(source) else {
      throw CommandFailure(
        "\(source.printable) is packed already; quantize the model that it was made of"
      )
    }
    let network = try PointSegmenter(path: source)
    let start = secondsOfUptime()
    let scans = try calibration(network)
    let quantization = BackboneQuantization(
      network: network,
      settings: .init(
        method: method,
        bits: bits,
        edgeBits: edgeBits,
        sharing: granularity,
        steps: steps,
        learningRate: learningRate,
        seed: seed
      )
    )
    let stageCount = network.backbone.stages.count
    let reporter = display.progress("quantizing", unit: "levels")
    let found: (layers: [PackedLayer], stages: [BackboneQuantization.StageReport])
    do {
      found = try quantization.run(on: scans) { stage, share in
        let done = Int(share * Double(stageCount))
        reporter.update(completed: done, total: stageCount, share: share, note: stage)
        return !Cancellation.isRequested
      }
    } catch QuantizationError.cancelled {
      try Cancellation.check("nothing was written")
      throw QuantizationError.cancelled
    }
    reporter.clear()
    try PackedSegmenterFile.write(network, packing: found.layers, to: output)
    let summary = QuantizationSummary(
      file: output,
      model: source,
      settings: quantization.settings,
      scans: scans.count,
      stages: found.stages,
      weights: found.layers.reduce(0) { $0 + $1.shape.count },
      packedBytes: found.layers.reduce(0) { $0 + $1.matrix.byteCount },
      fileBytes: Self.size(of: output),
      modelBytes: Self.size(of: source),
      seconds: secondsOfUptime() - start
    )
    let stream = StandardStream.output
    guard !display.json else { return try stream.writeLine(jsonText(summary)) }
    try stream.writeLine(summary.stageTable.text(width: stream.columnCount) + "\n")
    try stream.writeLine(summary.table.text(width: stream.columnCount))
  }

  private static func size(of path: String) -> Int {
    let attributes = try? FileManager.default.attributesOfItem(atPath: path)
    return (attributes?[.size] as? NSNumber)?.intValue ?? 0
  }

  /// The voxels of the scans to learn from.
  private func calibration(_ network: PointSegmenter) throws -> [SegmentationInput] {
    guard method == .flexround else { return [] }
    let reporter = display.progress("reading", unit: "scans")
    defer { reporter.clear() }
    let scans = try simulated.map { try simulatedScans($0, network) } ?? files()
    var inputs: [SegmentationInput] = []
    var density: BeamDensity?
    for index in 0..<scans.count {
      try Cancellation.check("nothing was written")
      reporter.update(completed: index, total: scans.count)
      let (scan, sensor) = try scans.scan(index)
      let beams = density.flatMap { $0.model == sensor ? $0 : nil } ?? BeamDensity(sensor)
      density = beams
      if let found = try network.input(of: scan, density: beams) { inputs.append(found.input) }
    }
    guard !inputs.isEmpty else {
      throw CommandFailure("no point of the scans lies in the volume that the model looks at")
    }
    return inputs
  }

  private typealias Scans = (count: Int, scan: (Int) throws -> (LidarScan, BeamModel))

  private func files() throws -> Scans {
    let files = try paths.flatMap { try ScanFiles.paths(at: $0) }
    return (
      files.count,
      { index in
        let sensed = try reading.read(files[index])
        return (sensed.scan, sensed.sensor)
      }
    )
  }

  private func simulatedScans(_ count: Int, _ network: PointSegmenter) throws -> Scans {
    let simulator: LidarSimulator
    if let choice = reading.sensor {
      simulator = try choice.simulator(mountHeight: reading.mountHeight)
    } else if let sensor = network.sensor {
      simulator = LidarSimulator(model: sensor, mountHeight: reading.mountHeight)
    } else {
      throw CommandFailure("the model does not say which sensor it is of; give --sensor")
    }
    let scans = ScanSet.simulated(
      by: simulator,
      scenes: first..<first + count,
      seed: seed,
      classes: nil
    )
    return (count, { (try scans.scan($0), simulator.model) })
  }
}

/// What `quantize` did.
private struct QuantizationSummary: Encodable {
  var file: String
  var model: String
  var settings: BackboneQuantization.Settings
  var scans: Int
  var stages: [BackboneQuantization.StageReport]
  /// Those that are codes now.
  var weights: Int
  /// Codes, step sizes and zero points.
  var packedBytes: Int
  var fileBytes: Int
  var modelBytes: Int
  var seconds: Double

  var stageTable: Table {
    var table = Table([
      "level", .number("weights"), .number("bits"), .number("error, nearest"), .number("as left"),
    ])
    for item in stages {
      table.add(
        item.stage,
        item.weights.grouped,
        "\(item.bits)",
        item.nearestError?.short ?? "—",
        item.error?.short ?? "—"
      )
    }
    return table
  }

  var table: Table {
    var table = Table(["result", .number("value")])
    table.add("method", settings.method.rawValue)
    if scans > 0 { table.add("scans to learn from", scans.grouped) }
    table.add("bits per weight", (8 * Double(packedBytes) / Double(max(weights, 1))).fixed(2))
    table.add("codes and step sizes", byteCount(packedBytes))
    table.add("the same as floats", byteCount(4 * weights))
    table.add("file", byteCount(fileBytes))
    table.add("the model's file", byteCount(modelBytes))
    table.add("time", durationText(seconds))
    table.add("output", file)
    return table
  }
}
