import Checkpoints
import Foundation
import PointCloud
import Tensor
import TestSupport
import Testing

extension PointCloudConformance {
  /// Profiles, densities and soft clipping of the files `beam_density_*`.
  @Suite struct BeamDensities {
    static let files = Fixtures.names(in: "pointcloud", suffix: ".safetensors")
      .filter { $0.hasPrefix("beam_density_") }

    @Test func filesAreThere() { #expect(!Self.files.isEmpty) }

    private func open(_ name: String) throws -> (SafetensorsFile, BeamDensity) {
      let file = try SafetensorsFile(path: Fixtures.file("pointcloud/" + name))
      let values = try JSONValue.parse(file.metadata["case"] ?? "{}")
      let elevations = try file.tensor(named: "elevations_deg").elements.map(Double.init)
      let model = BeamModel(
        name: name,
        elevations: elevations,
        columnCount: try #require(values["columns"]?.intValue),
        mountHeight: 1.8,
        maximumRange: 100
      )
      return (file, BeamDensity(model))
    }

    @Test(arguments: files) func profiles(name: String) throws {
      let (file, density) = try open(name)
      let vertical = try file.tensor(named: "vertical_profile")  // [4 × 110], every 10th pixel
      let horizontal = try file.tensor(named: "horizontal_profile_first")  // [4 × 40]
      for channel in 0..<BeamDensity.channelCount {
        let profiles = density.profiles(channel: channel)
        let step = profiles.vertical.count / vertical.shape[1]
        let found = stride(from: 0, to: profiles.vertical.count, by: step)
          .map { Float(profiles.vertical[$0]) }
        expectClose(found, vertical[channel].elements, relative: 2e-5, absolute: 1e-9)
        let first = profiles.horizontal.prefix(horizontal.shape[1]).map { Float($0) }
        expectClose(first, horizontal[channel].elements, relative: 2e-5)
      }
    }

    @Test(arguments: files) func densities(name: String) throws {
      let (file, density) = try open(name)
      let found = density(try file.tensor(named: "points"))
      expectClose(found, try file.tensor(named: "density"), relative: 2e-5, absolute: 1e-9)
    }

    @Test(arguments: files) func clipping(name: String) throws {
      let (file, density) = try open(name)
      let found = density(try file.tensor(named: "points"))
      let range = try #require(DensityRange(of: found))
      expectClose(range.middle, try file.tensor(named: "clip_mid").elements, relative: 2e-5)
      expectClose(range.spread, try file.tensor(named: "clip_half").elements, relative: 2e-5)
      let clipped = try file.tensor(named: "density_clipped")
      expectClose(range.clipped(found), clipped, relative: 2e-5)
      // A difference in units of half the range: its error is that of the densities over l.
      let input = try file.tensor(named: "density_input")
      expectClose(range.normalized(found), input, relative: 2e-5, absolute: 5e-6)
    }
  }
}
