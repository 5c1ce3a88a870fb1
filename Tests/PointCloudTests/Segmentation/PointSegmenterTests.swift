import Autograd
import Foundation
import PointCloud
import Tensor
import TestSupport
import Testing

/// A sensor small enough to train on in a test.
private let smallSensor = BeamModel(
  name: "small",
  elevations: (0..<16).map { 2 - Double($0) * 1.6 },
  columnCount: 180,
  mountHeight: 1.8,
  maximumRange: 60
)

private func configuration(_ frontEnd: FrontEndConfiguration) -> SegmenterConfiguration {
  var configuration = SegmenterConfiguration(.tiny, frontEnd: frontEnd)
  configuration.voxelSize = 0.8
  configuration.crop = CropVolume(radius: 30, z: -4...2)
  return configuration
}

private func scans(_ count: Int, of sensor: BeamModel = smallSensor, first: Int = 0) -> ScanSet {
  let (simulator, map) = (LidarSimulator(model: sensor), LabelMap.common(from: .semanticKITTI))
  let scans = (first..<first + count).map { index in
    var scan = simulator.scan(StreetScene(seed: UInt64(index)), seed: UInt64(index))
    scan.labels = scan.labels.map(map.classes)
    return scan
  }
  return ScanSet(of: sensor, scans)
}

@Suite struct PointSegmenterTests {
  static let frontEnds: [FrontEndConfiguration] = [
    .constant, .coordinates(.init(matching: .small)), .ddfe(.small),
  ]

  private func segmenter(_ frontEnd: FrontEndConfiguration, seed: UInt64 = 1) -> PointSegmenter {
    var generator = Philox(seed: seed)
    return PointSegmenter(configuration(frontEnd), using: &generator)
  }

  @Test func networksHaveTheParametersOfTheirParts() {
    let model = segmenter(.ddfe(.small))
    #expect(
      model.parameterCount.total == model.frontEnd.parameterCount.total
        + model.backbone.parameterCount.total
    )
    let names = model.namedParameters().map(\.name)
    #expect(names.contains("frontEnd.pointEncoder.0.weight"))
    #expect(names.contains("backbone.stem.0.convolution.weight"))
  }

  @Test(arguments: frontEnds) func trainingLowersTheLossAndGoesOnAfterAStop(
    frontEnd: FrontEndConfiguration
  ) throws {
    let set = scans(3)
    var options = SegmentationTrainingOptions(steps: 40, seed: 4)
    options.batchSize = 2
    options.learningRate = 1e-2
    options.augmentation = .none()
    options.schedule = .cosine
    options.pointLimit = 800
    try withTemporaryFolder { folder in
      let whole = segmenter(frontEnd)
      var losses: [Double] = []
      let training = SegmentationTraining(at: folder + "/whole", of: whole, on: set, options)
      let report = try training.run { losses.append($0.metrics["loss"] ?? .nan) }
      #expect(report.ending == .finished && losses.count == 40)
      let (early, late) = (losses.prefix(5).reduce(0, +), losses.suffix(5).reduce(0, +))
      #expect(late < 0.9 * early)

      let resumed = segmenter(frontEnd)
      var first = SegmentationTraining(at: folder + "/parts", of: resumed, on: set, options)
      var steps = 0
      first.shouldStop = { steps >= 17 }
      #expect(try first.run { steps = $0.step }.ending == .stopped)
      let again = segmenter(frontEnd, seed: 9)
      try SegmentationTraining(at: folder + "/parts", of: again, on: set, options).run()
      #expect(again.state() == whole.state())
      #expect(again.densityRange == whole.densityRange)
    }
  }

  @Test(.timeLimit(.minutes(10)))
  func oneAndTwoThreadsGiveTheSameWeights() async {
    await #expect(processExitsWith: .success) {
      let set = scans(2)
      var options = SegmentationTrainingOptions(steps: 20, seed: 2)
      options.pointLimit = 800
      let states = try [1, 2].map { threads in
        WorkPool.threadCount = threads
        var generator = Philox(seed: 1)
        let model = PointSegmenter(configuration(.ddfe(.small)), using: &generator)
        try withTemporaryFolder { folder in
          _ = try SegmentationTraining(at: folder, of: model, on: set, options).run()
        }
        return model.state()
      }
      #expect(states[0] == states[1])
    }
  }

  @Test func filesHoldTheNetworkAndWhatItWasTrainedOn() throws {
    let set = scans(1)
    let model = segmenter(.ddfe(.small))
    model.sensor = smallSensor
    model.densityRange = DensityRange(of: BeamDensity(smallSensor)(try set.scan(0).positions))
    try withTemporaryFolder { folder in
      let path = folder + "/model.safetensors"
      try model.write(to: path)
      let read = try PointSegmenter(path: path)
      #expect(read.configuration == model.configuration)
      #expect(read.densityRange == model.densityRange && read.sensor == smallSensor)
      #expect(read.state() == model.state())
      let scan = try set.scan(0)
      let (found, expected) = (
        try read.segment(scan, of: smallSensor), try model.segment(scan, of: smallSensor)
      )
      #expect(found.classes == expected.classes && found.confidence == expected.confidence)

      var bytes = try Data(contentsOf: URL(filePath: path))
      bytes.removeLast(7)
      try bytes.write(to: URL(filePath: path))
      #expect(throws: SegmenterFileError.self) { try PointSegmenter(path: path) }
      #expect(throws: SegmenterFileError.self) { try PointSegmenter(path: folder + "/none") }
    }
  }

  /// The densities of a sensor with 2⁴⁰ firings a turn would take hours.
  @Test(arguments: [1 << 40, 0, -5]) func filesWithImpossibleSensorsAreRefused(columns: Int) throws
  {
    let model = segmenter(.ddfe(.small))
    model.sensor = smallSensor
    model.sensor?.columnCount = columns
    try withTemporaryFolder { folder in
      let path = folder + "/model.safetensors"
      try model.write(to: path)
      let error = #expect(throws: SegmenterFileError.self) { try PointSegmenter(path: path) }
      #expect(error?.description.contains("columnCount") == true)
    }
  }

  @Test func segmentationGivesEveryPointAClassAndNothingOutside() throws {
    let model = segmenter(.ddfe(.small))
    let scan = LidarScan(
      positions: Tensor(
        [5, 0, -1.5, 5.1, 0.1, -1.5, 100, 0, -1, .nan, 0, 0, 12, 3, -0.5],
        shape: [5, 3]
      )
    )
    let result = try model.segment(scan, of: smallSensor)
    let classes = result.classes.elements
    #expect(classes.count == 5 && classes[2] == 0 && classes[3] == 0)
    #expect([0, 1, 4].allSatisfy { (1...10).contains(classes[$0]) })
    #expect(result.confidence.elements[0] > 0.1 && result.confidence.elements[2] == 0)
    let empty = LidarScan(positions: .zeros([0, 3]))
    #expect(try model.segment(empty, of: smallSensor).classes.count == 0)
  }

  /// A volume that moves points to its border gives those outside a class as well: that of the
  /// voxel at the border, from where they would be.
  @Test func clampedVolumesGiveEveryPointAClass() throws {
    var generator = Philox(seed: 1)
    var settings = configuration(.constant)
    settings.crop.mode = .clamp
    let model = PointSegmenter(settings, using: &generator)
    let border: [Float] = [30, 0, -1.5]
    let scan = LidarScan(
      positions: Tensor([5, 0, -1.5, 100, 0, -1.5, .nan, 0, 0] + border, shape: [4, 3]),
      labels: Tensor([1, 2, 3, 4])
    )
    let classes = try model.segment(scan, of: smallSensor).classes.elements
    #expect((1...10).contains(classes[0]) && classes[2] == 0)
    #expect(classes[1] == classes[3] && (1...10).contains(classes[1]))
    let set = ScanSet(of: smallSensor, [scan])
    #expect(try model.confusion(on: set).counts.reduce(0, +) == 3)
  }

  @Test func theGridStandsOnTheRoad() throws {
    // The same ground, seen from two heights: the voxels are the same.
    let configuration = configuration(.constant)
    let ground = (0..<400).flatMap { index -> [Float] in
      [Float(index % 20) - 10, Float(index / 20) - 10, 0]
    }
    let road = Tensor(ground, shape: [400, 3])
    let coordinates = try [Float(1.7), 2.6].map { height in
      let positions = road - Tensor([0, 0, height], shape: [1, 3])
      let cloud = DensityCloud(positions: positions, density: .zeros([400, 4]), labels: nil)
      var generator = Philox(seed: 0)
      return try SegmentationInput(
        [.init(cloud, heightShift: height + 0.1)],
        configuration,
        range: nil,
        using: &generator
      ).voxels.coordinates
    }
    #expect(coordinates[0] == coordinates[1])
  }

  @Test func aLimitKeepsAPointOfEveryVoxel() throws {
    let set = scans(1)
    let cloud = DensityCloud(SensedScan(try set.scan(0), of: smallSensor))
    var generator = Philox(seed: 3)
    let input = try SegmentationInput(
      [.init(cloud, heightShift: 1.8)],
      configuration(.ddfe(.small)),
      range: DensityRange(of: cloud.density),
      pointLimit: 10,
      using: &generator
    )
    #expect(input.frontEnd.pointCount == input.voxels.count)
    #expect(input.frontEnd.voxelCount == input.voxels.count)
    let classes = try #require(cloud.labels)
    let targets = input.targets(of: classes)
    #expect(targets.points.count == input.voxels.count)
    #expect(targets.voxels.elements.allSatisfy { (-1..<10).contains($0) })
  }

  @Test func scansAreMeasuredOnceForAllSessions() throws {
    let set = scans(3)
    var asked: [Int] = []
    let watched = ScanSet(of: smallSensor, count: 3) { index in
      asked.append(index)
      return try set.scan(index)
    }
    var options = SegmentationTrainingOptions(steps: 3, seed: 4)
    options.augmentation = .none()
    options.pointLimit = 300
    try withTemporaryFolder { folder in
      let model = segmenter(.ddfe(.small))
      var run = SegmentationTraining(at: folder, of: model, on: watched, options)
      run.shouldStop = { true }
      #expect(try run.run().ending == .stopped)
      #expect(asked.sorted() == [0, 1, 2])
      let again = segmenter(.ddfe(.small))
      run = SegmentationTraining(at: folder, of: again, on: watched, options)
      run.shouldStop = { true }
      _ = try run.run()
      #expect(asked.count == 3)
      #expect(again.densityRange == model.densityRange && again.sensor == smallSensor)
      // A damaged file is measured again.
      try Data("{".utf8).write(to: URL(filePath: folder + "/scans.json"))
      _ = try run.run()
      #expect(asked.count == 6)
    }
  }

  @Test func pointsMayInterpolateBetweenVoxels() throws {
    var configuration = configuration(.ddfe(.small))
    configuration.devoxelization = .trilinear
    var generator = Philox(seed: 1)
    let model = PointSegmenter(configuration, using: &generator)
    let set = scans(2)
    var options = SegmentationTrainingOptions(steps: 12, seed: 4)
    (options.learningRate, options.pointLimit, options.augmentation) = (1e-2, 500, .none())
    try withTemporaryFolder { folder in
      let training = SegmentationTraining(at: folder + "/run", of: model, on: set, options)
      var losses: [Double] = []
      try training.run { losses.append($0.metrics["loss"] ?? .nan) }
      #expect(losses.count == 12 && losses.allSatisfy(\.isFinite))
      try model.write(to: folder + "/model.safetensors")
      let read = try PointSegmenter(path: folder + "/model.safetensors")
      #expect(read.configuration.devoxelization == .trilinear)
      let scan = try set.scan(0)
      let found = try read.segment(scan, of: smallSensor)
      // Points of one voxel may now be of different classes, or at least differently sure.
      let volume = configuration.crop(for: 1.8)
      #expect(Set(found.confidence.elements).count > found.voxelCount)
      let inside = volume.inside(scan.positions)
      #expect(inside.allSatisfy { (1...10).contains(found.classes.elements[Int($0)]) })
    }
  }

  @Test func configurationsFromBeforeAreRead() throws {
    let usual = configuration(.ddfe(.small))
    let text = String(decoding: try JSONEncoder().encode(usual), as: UTF8.self)
    #expect(!text.contains("devoxelization"))
    let read = try JSONDecoder().decode(SegmenterConfiguration.self, from: Data(text.utf8))
    #expect(read == usual && read.devoxelization == .nearest)
    var other = usual
    other.devoxelization = .trilinear
    let again = try JSONDecoder().decode(
      SegmenterConfiguration.self,
      from: try JSONEncoder().encode(other)
    )
    #expect(again == other)
  }

  @Test func confusionComparesWithTheLabels() throws {
    let (model, set) = (segmenter(.ddfe(.small)), scans(1))
    model.densityRange = DensityRange(of: BeamDensity(smallSensor)(try set.scan(0).positions))
    let scan = try set.scan(0)
    let inside = model.configuration.crop(for: 1.8).inside(scan.positions)
    let rows = Tensor(inside, shape: [inside.count])
    var expected = SegmentationConfusion(classCount: 10)
    expected.add(
      labels: try #require(scan.labels).taking(rows, axis: 0),
      predictions: try model.segment(scan, of: smallSensor).classes.taking(rows, axis: 0)
    )
    #expect(try model.confusion(on: set) == expected)
  }

  @Test func confusionCountsThePointsInside() throws {
    let (model, set) = (segmenter(.constant), scans(2))
    let confusion = try model.confusion(on: set)
    let volume = model.configuration.crop(for: 1.8)
    let inside = try (0..<2).map { volume.inside(try set.scan($0).positions).count }
    #expect(confusion.counts.reduce(0, +) == inside.reduce(0, +))
  }
}
