import Checkpoints
import Foundation
import Tensor

/// What a training must know of its scans before the first step.
///
/// Every scan is asked for once. The result is kept in the run's folder, so that a run that goes on
/// after an interruption does not read them all again; a folder belongs to one set of scans.
struct ScanMeasurements: Codable {
  /// What they were measured of.
  private var source: Source
  /// The densities of the scans; nil without points.
  private(set) var densityRange: DensityRange?
  /// The points of each class; nil where the weights were given.
  private(set) var classes: ClassWeights?

  private struct Source: Codable, Equatable {
    var name: String
    var sensor: BeamModel
    var scanCount: Int
    var classCount: Int
    var countsClasses: Bool
    var seed: UInt64
  }

  /// The name of the file in a run's folder.
  static let fileName = "scans.json"

  /// Those that lie in the folder, or else new ones, which are put there.
  ///
  /// - Throws: What reading a scan or writing the file throws.
  init(
    at folder: String,
    of scans: ScanSet,
    classCount: Int,
    countsClasses: Bool,
    seed: UInt64
  ) throws {
    let source = Source(
      name: scans.name,
      sensor: scans.sensor,
      scanCount: scans.count,
      classCount: classCount,
      countsClasses: countsClasses,
      seed: seed
    )
    let path = folder + "/" + Self.fileName
    if let data = FileManager.default.contents(atPath: path),
      let stored = try? JSONDecoder().decode(Self.self, from: data), stored.source == source
    {
      self = stored
      return
    }
    try self.init(measuring: scans, source)
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    try AtomicFile.write(String(decoding: try encoder.encode(self), as: UTF8.self), to: path)
  }

  private init(measuring scans: ScanSet, _ source: Source) throws {
    self.source = source
    var generator = Philox(seed: source.seed).fork(1)
    var counts = ClassWeights(classCount: source.classCount)
    var counted: Set<Int> = []
    let density = BeamDensity(scans.sensor)
    densityRange = try DensityRange(ofTraining: scans.count, using: &generator) { index in
      let scan = try scans.scan(index)
      if source.countsClasses, let classes = scan.labels { counts.add(classes) }
      counted.insert(index)
      return density(scan.positions)
    }
    guard source.countsClasses else { return }
    for index in 0..<scans.count where !counted.contains(index) {
      if let classes = try scans.scan(index).labels { counts.add(classes) }
    }
    classes = counts
  }
}
