import Autograd
import Tensor

extension ScanSet {
  /// Simulated scans of streets: the same streets for every sensor.
  ///
  /// Scene n is `StreetScene(seed: n)`. What the sensor adds (its tilt, noise) is drawn from a
  /// generator of `seed` and n, which has nothing to do with the scene's.
  ///
  /// - Parameters:
  ///   - name: the name for reports; that of the sensor by default.
  ///   - simulator: the sensor.
  ///   - scenes: the numbers of the scenes.
  ///   - seed: the seed of what the sensor adds.
  ///   - map: makes classes of SemanticKITTI's raw labels; nil leaves them raw.
  /// - Returns: a set that makes a scan whenever it is asked for it.
  public static func simulated(
    name: String? = nil,
    by simulator: LidarSimulator,
    scenes: Range<Int>,
    seed: UInt64 = 0,
    classes map: LabelMap?
  ) -> ScanSet {
    ScanSet(name: name, of: simulator.model, count: scenes.count) { index in
      let number = scenes.lowerBound + index
      var generator = Philox(seed: seed).fork(number)
      let scene = StreetScene(seed: UInt64(number))
      var scan = simulator.scan(scene, seed: generator.next())
      if let map { scan.labels = scan.labels.map { map.classes(of: $0) } }
      return scan
    }
  }

  /// The labelled scans of sequences of SemanticKITTI, one sequence after another.
  ///
  /// - Parameters:
  ///   - name: the name for reports; that of the sensor by default.
  ///   - sequences: what is read; scans without labels are left out.
  ///   - sensor: the sensor of all sequences.
  ///   - map: makes classes of the raw labels.
  /// - Returns: a set that reads a scan whenever it is asked for it.
  public static func labelled(
    name: String? = nil,
    _ sequences: [SemanticKITTISequence],
    of sensor: BeamModel,
    classes map: LabelMap
  ) -> ScanSet {
    let places = sequences.indices.flatMap { sequence in
      (0..<sequences[sequence].count)
        .filter { sequences[sequence].hasLabels(at: $0) }
        .map { (sequence, $0) }
    }
    return ScanSet(name: name, of: sensor, count: places.count) { index in
      var scan = try sequences[places[index].0].scan(at: places[index].1)
      scan.labels = scan.labels.map { map.classes(of: $0) }
      return scan
    }
  }

  /// The same scans, each kept in memory when it is first asked for, until `byteCount` are full.
  ///
  /// Intensities and instances, which no network reads, are not kept.
  public func cached(byteCount: Int = 1 << 30) -> ScanSet {
    let memory = ScanMemory(byteCount: byteCount)
    let make = scan
    return ScanSet(name: name, of: sensor, count: count) { try memory.scan($0, make) }
  }
}

/// The scans that a set has in memory.
private final class ScanMemory {
  private var scans: [Int: LidarScan] = [:]
  private var freeBytes: Int

  init(byteCount: Int) { freeBytes = byteCount }

  func scan(_ index: Int, _ make: (Int) throws -> LidarScan) rethrows -> LidarScan {
    if let scan = scans[index] { return scan }
    var scan = try make(index)
    (scan.intensity, scan.instances) = (nil, nil)
    // Positions, ring and label: five numbers of four bytes.
    let bytes = 20 * scan.count
    if bytes <= freeBytes {
      freeBytes -= bytes
      scans[index] = scan
    }
    return scan
  }
}

extension SegmenterConfiguration {
  /// The map from a data set's raw labels to the classes of this network: that of the ten common
  /// classes, of SemanticKITTI's 19 or of nuScenes's 16; nil if its classes are none of these.
  public func labelMap(from labels: LabelSet) -> LabelMap? {
    let own: LabelMap? =
      switch labels {
      case .semanticKITTI: .semanticKITTI19
      case .nuScenes: .nuScenes16
      case .waymo, .rellis: nil
      }
    let maps = [LabelMap.common(from: labels), own].compactMap { $0 }
    return maps.first { $0.classNames == classNames }
  }
}
