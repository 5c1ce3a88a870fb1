import Autograd
import Checkpoints
import PointCloud
import Tensor
import TestSupport
import Testing

extension PointCloudConformance {
  /// DDFE against a network in another framework: every `ddfe_*` file.
  @Suite struct DDFECases {
    static let files = Fixtures.names(in: "pointcloud", suffix: ".safetensors")
      .filter { $0.hasPrefix("ddfe_") }

    @Test func filesAreThere() { #expect(!Self.files.isEmpty) }

    @Test(arguments: files) func sphericalFeatures(name: String) throws {
      let file = try SafetensorsFile(path: Fixtures.file("pointcloud/" + name))
      let input = try input(of: file)
      expectClose(
        input.points,
        try file.tensor(named: "spherical_points"),
        relative: 1e-5,
        absolute: 1e-6,
        "points"
      )
      expectClose(
        input.voxels,
        try file.tensor(named: "spherical_voxels"),
        relative: 1e-5,
        absolute: 1e-6,
        "voxels"
      )
    }

    @Test(arguments: files) func trainingAndUse(name: String) throws {
      let file = try SafetensorsFile(path: Fixtures.file("pointcloud/" + name))
      let (model, input) = (try model(of: file), try input(of: file))
      let output = model(input)
      expectClose(
        output.value,
        try file.tensor(named: "output_train"),
        relative: 1e-4,
        absolute: 2e-5,
        "output"
      )
      output.backward(from: try file.tensor(named: "grad_output"))
      for entry in model.namedParameters() {
        let expected = try file.tensor(named: "grad." + foreign(entry.name))
        let largest = max(expected.abs().max(), 1e-3)
        let found = try #require(entry.parameter.gradient, "\(entry.name)")
        expectClose(found, expected, absolute: 1e-4 * largest, entry.name)
      }
      for entry in model.namedBuffers() {
        let expected = try file.tensor(named: "buffer_after." + foreign(entry.name))
        expectClose(entry.buffer.value, expected, relative: 1e-4, absolute: 1e-5, entry.name)
      }
      model.eval()
      expectClose(
        model(input).value,
        try file.tensor(named: "output_eval"),
        relative: 1e-4,
        absolute: 2e-5,
        "output after training"
      )
      expectClose(
        withoutGradients { model(input) }.value,
        try file.tensor(named: "output_eval"),
        relative: 1e-4,
        absolute: 2e-5,
        "output in use"
      )
    }

    @Test(arguments: files) func pointFeatures(name: String) throws {
      let file = try SafetensorsFile(path: Fixtures.file("pointcloud/" + name))
      let features = try model(of: file).pointFeatures(input(of: file))
      expectClose(
        features.value,
        try file.tensor(named: "point_features_train"),
        relative: 1e-4,
        absolute: 2e-5
      )
    }

    /// `pointEncoder.0.weight` as the files write it, `point_encoder.0.weight`.
    private func foreign(_ name: String) -> String {
      name.map { $0.isUppercase ? "_" + $0.lowercased() : String($0) }.joined()
    }

    private func widths(of file: SafetensorsFile) throws -> DDFE.Configuration {
      let text = try #require(file.metadata["case"])
      let widths = try #require(JSONValue.parse(text)["widths"])
      func width(_ key: String) throws -> Int { try #require(widths[key]?.intValue, "\(key)") }
      let hidden = widths["fuse_hidden"]?.intValue.map { [$0] } ?? []
      return DDFE.Configuration(
        width: try width("point"),
        voxelWidth: try width("voxel"),
        gateWidth: try width("gate_hidden"),
        fuseWidths: hidden + [try width("out")]
      )
    }

    private func model(of file: SafetensorsFile) throws -> DDFE {
      var generator = Philox(seed: 1)
      let configuration = try widths(of: file)
      let model = DDFE(configuration, using: &generator)
      for entry in model.namedParameters() {
        entry.parameter.value = try file.tensor(named: "param." + foreign(entry.name))
      }
      let given = file.names.filter { $0.hasPrefix("param.") }.count
      #expect(given == model.namedParameters().count)
      #expect(model.parameterCount.total == configuration.parameterCount)
      return model
    }

    private func input(of file: SafetensorsFile) throws -> DDFEInput {
      let text = try #require(file.metadata["case"])
      let size = try #require(JSONValue.parse(text)["voxel_size"]?.doubleValue)
      let coordinates = try file.tensor(named: "coords", as: Int32.self)
      return DDFEInput(
        positions: try file.tensor(named: "points"),
        pointDensity: try file.tensor(named: "density_points"),
        voxelDensity: try file.tensor(named: "density_voxels"),
        members: VoxelMembers(
          pointToVoxel: try file.tensor(named: "point_to_voxel", as: Int32.self),
          voxelCount: coordinates.shape[0]
        ),
        grid: DDFEInput.VoxelGrid(coordinates: coordinates, voxelSize: Float(size))
      )
    }
  }
}
