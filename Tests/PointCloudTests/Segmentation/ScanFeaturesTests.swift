import Autograd
import PointCloud
import Tensor
import TestSupport
import Testing

@Suite struct ScanFeaturesTests {
  private let sensor = BeamModel(
    name: "small",
    elevations: (0..<8).map { 2 - Double($0) * 2.5 },
    columnCount: 90,
    mountHeight: 1.8,
    maximumRange: 60
  )

  private var network: PointSegmenter {
    var configuration = SegmenterConfiguration(.tiny, frontEnd: .ddfe(.small))
    configuration.voxelSize = 0.8
    configuration.density = .none
    var generator = Philox(seed: 1)
    return PointSegmenter(configuration, using: &generator)
  }

  @Test func featuresAreTheMeanAndTheMaximumOverVoxels() throws {
    let (network, density) = (network, BeamDensity(sensor))
    let scan = LidarSimulator(model: sensor).scan(StreetScene(seed: 3), seed: 1)
    let found = try #require(try network.features(of: scan, density: density))
    #expect(found.shape == [network.scanFeatureCount] && network.scanFeatureCount == 24)
    let (input, points) = try #require(try network.input(of: scan, density: density))
    #expect(points.count <= scan.count && input.voxels.count > 100)
    let voxels = withoutGradients {
      network.backbone.features(network.backboneInput(of: input)).features.value
    }
    let rows = (0..<voxels.shape[0]).map { voxels[$0].elements }
    for feature in 0..<12 {
      let column = rows.map { Double($0[feature]) }
      let mean = column.reduce(0, +) / Double(column.count)
      expectClose([found.elements[feature]], [Float(mean)], relative: 1e-4, absolute: 1e-5)
      #expect(found.elements[12 + feature] == rows.map { $0[feature] }.max())
    }
    // The order of the points does not matter but for sums.
    let turned = scan.selecting((0..<Int32(scan.count)).reversed())
    let again = try #require(try network.features(of: turned, density: density))
    expectClose(again.elements, found.elements, relative: 1e-3, absolute: 1e-4)
  }

  @Test func aScanOutsideOfTheVolumeHasNone() throws {
    let far = LidarScan(positions: Tensor([500, 0, 0, 0, 700, 0], shape: [2, 3]))
    #expect(try network.features(of: far, density: BeamDensity(sensor)) == nil)
  }
}
