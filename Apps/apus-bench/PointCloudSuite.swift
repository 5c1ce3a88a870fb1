import Autograd
import Checkpoints
import Foundation
import PointCloud
import Tensor

extension Suite {
  /// Sparse convolutions and what is made of them.
  static let pointCloud = Suite(
    name: "pointcloud",
    summary: "sparse convolutions and their maps, whole scans, steps of training"
  ) { run in
    try PointCloudSuite(run: run).measure()
  }
}

/// A simulated scan of 64 beams: of about the size of KITTI's, and the same everywhere.
struct PointCloudSuite {
  let run: BenchRun
  private let scan = LidarSimulator(model: .hdl64e).scan(StreetScene(seed: 1000), seed: 1)

  func measure() throws {
    try measureConvolutions()
    try measureScans()
    try measureTraining()
  }

  private var cloud: LidarScan { CropVolume.kitti(scan) }

  /// At 0.1 m; the peer gets the same sites.
  private func measureConvolutions() throws {
    guard run.startGroup("submanifold convolutions, kernel 3, voxels of 0.1 m") else { return }
    let voxels = try Voxelization(cloud.positions, voxelSize: 0.1)
    let path = FileManager.default.temporaryDirectory.path + "/apus-bench-\(getpid()).safetensors"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try SafetensorsFile.write(
      ["coordinates": voxels.coordinates.converted(to: Float.self)],
      metadata: [:],
      to: path
    )
    let coordinates = voxels.coordinates
    try run.measure(
      BenchCase(
        name: "the map alone, \(voxels.count) voxels",
        metric: .microseconds,
        peer: peer("map", path, channels: 0)
      ) { _ = try? SparseSites(coordinates: coordinates).submanifoldMap(kernelSize: 3) }
    )
    for channels in [16, 32, 64] { try measureConvolution(voxels, channels, sites: path) }
  }

  private func peer(_ name: String, _ path: String, channels: Int) -> JSONObject {
    [
      "kind": "sparse", "name": .string(name), "file": .string(path),
      "channels": .integer(Int64(channels)),
    ]
  }

  private func measureConvolution(
    _ voxels: Voxelization,
    _ channels: Int,
    sites path: String
  ) throws {
    var generator = Philox(seed: 1)
    let options = SparseConvolutionOptions(
      inputChannels: channels,
      outputChannels: channels,
      kernelSize: 3
    )
    let layer = SubmanifoldConvolution(options, using: &generator)
    let x = Tensor<Float>.normal([voxels.count, channels], using: &generator)
    let input = SparseTensor(sites: voxels.sites, features: Variable(x))
    let pairs = voxels.sites.submanifoldMap(kernelSize: 3).pairCount
    let operations = 2 * Double(pairs) * Double(channels * channels)
    let coordinates = voxels.coordinates
    try run.measure(
      BenchCase(
        name: "\(channels) → \(channels)",
        metric: .flops(operations),
        bound: .arithmetic(operations),
        peer: peer("convolution", path, channels: channels)
      ) { _ = layer(input) }
    )
    try run.measure(
      BenchCase(
        name: "\(channels) → \(channels), map included",
        metric: .microseconds,
        peer: peer("convolution_with_map", path, channels: channels)
      ) {
        guard let sites = try? SparseSites(coordinates: coordinates) else { return }
        _ = layer(SparseTensor(sites: sites, features: Variable(x)))
      }
    )
    let followed = SparseTensor(sites: voxels.sites, features: Variable(following: x))
    try run.measure(
      BenchCase(name: "\(channels) → \(channels), forward and back", metric: .microseconds) {
        layer(followed).features.backward(from: x)
        layer.clearGradients()
      }
    )
  }

  private func segmenter(_ size: SparseUNetPreset) -> PointSegmenter {
    var generator = Philox(seed: 2)
    let model = PointSegmenter(SegmenterConfiguration(size), using: &generator)
    model.densityRange = DensityRange(of: BeamDensity(.hdl64e)(scan.positions))
    return model
  }

  private func measureScans() throws {
    guard run.startGroup("a scan of \(scan.count) points, from points to classes") else { return }
    let density = BeamDensity(.hdl64e)
    for size in [SparseUNetPreset.tiny, .small, .base] {
      let model = segmenter(size)
      try run.measure(
        BenchCase(name: "\(size.rawValue), DDFE, voxels of 0.2 m", metric: .microseconds) {
          _ = try? model.segment(scan, density: density)
        }
      )
    }
    try run.measure(
      BenchCase(name: "simulate a scan", metric: .microseconds) {
        _ = LidarSimulator(model: .hdl64e).scan(StreetScene(seed: 7), seed: 7)
      }
    )
  }

  private func measureTraining() throws {
    guard run.startGroup("a step of training, forward, loss and back") else { return }
    for size in [SparseUNetPreset.tiny, .small] {
      let model = segmenter(size)
      model.train()
      var generator = Philox(seed: 3)
      let cloud = SegmentationInput.Cloud(
        DensityCloud(self.cloud, density: BeamDensity(.hdl64e)),
        heightShift: 1.73
      )
      let input = try SegmentationInput(
        [cloud],
        model.configuration,
        range: model.densityRange,
        pointLimit: 30_000,
        using: &generator
      )
      let map = LabelMap.common(from: .semanticKITTI)
      let classes = map.classes(of: cloud.points.labels ?? .zeros([cloud.points.count]))
      let (points, voxels) = input.targets(of: classes)
      try run.measure(
        BenchCase(name: "\(size.rawValue), DDFE, voxels of 0.2 m", metric: .microseconds) {
          SegmentationLoss()(
            voxelLogits: model(input),
            members: input.frontEnd.members,
            pointTargets: points,
            voxelTargets: voxels
          ).total.backward()
          model.clearGradients()
        }
      )
    }
  }
}
