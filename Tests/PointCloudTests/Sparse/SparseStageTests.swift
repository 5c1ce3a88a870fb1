import Autograd
import Checkpoints
import PointCloud
import Tensor
import TestSupport
import Testing

@Suite struct SparseStageTests {
  private let sensor = BeamModel(
    name: "small",
    elevations: (0..<8).map { 2 - Double($0) * 2.5 },
    columnCount: 90,
    mountHeight: 1.8,
    maximumRange: 60
  )

  private func network(seed: UInt64 = 1) -> PointSegmenter {
    var configuration = SegmenterConfiguration(.tiny, frontEnd: .constant)
    configuration.voxelSize = 0.8
    var generator = Philox(seed: seed)
    return PointSegmenter(configuration, using: &generator)
  }

  private func state(_ network: PointSegmenter) throws -> SparseUNetState {
    let scan = LidarSimulator(model: sensor).scan(StreetScene(seed: 3), seed: 1)
    let found = try #require(try network.input(of: scan, density: BeamDensity(sensor)))
    return withoutGradients { SparseUNetState(network.backboneInput(of: found.input)) }
  }

  @Test func stagesOneAfterAnotherAreTheNetwork() throws {
    let network = network()
    let (backbone, start) = (network.backbone, try state(network))
    #expect(
      backbone.stages.map(\.path)
        == ["stem"] + (0..<3).map { "encoder.\($0)" } + (0..<3).map { "decoder.\($0)" }
    )
    let end = backbone.stages.reduce(start) { state, stage in backbone(stage, state) }
    #expect(end.skips.isEmpty && end.value.sites === start.value.sites)
    #expect(
      end.value.features.value.elements == backbone.features(start.value).features.value.elements
    )
  }

  @Test func everyConvolutionBelongsToOneStage() {
    let backbone = network().backbone
    let paths = backbone.stages.flatMap { backbone.convolutions(of: $0).map(\.path) }
    // The stem's; three on each level of the way down and up.
    #expect(paths.count == 1 + 6 * 3 && Set(paths).count == paths.count)
    #expect(
      paths.prefix(3) == [
        "stem.0.convolution", "encoder.0.down", "encoder.0.blocks.0.convolution1",
      ]
    )
    let named = Set(backbone.namedParameters().map(\.name))
    #expect(paths.allSatisfy { named.contains($0 + ".weight") })
  }

  @Test func aSubstituteMultipliesInTheWeightsPlaceAndGetsItsGradient() throws {
    let network = network()
    let (backbone, start) = (network.backbone, try state(network))
    let before = backbone(.stem, start).value.features.value
    let layer = try #require(backbone.convolutions(of: .stem).first).layer
    let other = Parameter(layer.weight.value * 2)
    layer.substitute = { other.variable }
    let after = backbone(.stem, start).value.features
    // Norms in use are affine, and a ReLU follows: doubled here, for the running mean is 0.
    expectClose(after.value.elements, (before * 2).elements, relative: 1e-5, absolute: 1e-6)
    after.square().sum().backward()
    #expect(other.gradient != nil && layer.weight.gradient == nil)
    layer.substitute = nil
    #expect(backbone(.stem, start).value.features.value.elements == before.elements)
  }

  @Test func weightsInAnotherFormAreTakenFromTheCaller() throws {
    try withTemporaryFolder { folder in
      let (network, path) = (network(), folder + "/a.safetensors")
      let name = "backbone.stem.0.convolution.weight"
      var state = network.state()
      let weight = try #require(state[name])
      state[name] = nil
      var metadata = try network.metadata()
      metadata[PointSegmenter.packingKey] = "codes"
      let codes = SafetensorsItem("codes", Tensor<UInt8>([1, 2, 3]))
      try SafetensorsFile.write(
        state.map { SafetensorsItem($0.key, $0.value) } + [codes],
        metadata: metadata,
        to: path
      )
      let file = try SafetensorsFile(path: path)
      let found = try PointSegmenter(file, decoded: [name: weight * 3])
      #expect(found.state()[name]?.elements == (weight * 3).elements)
      #expect(
        found.state()["backbone.head.weight"]?.elements == state["backbone.head.weight"]?.elements
      )
      #expect(throws: SegmenterFileError.self) { try PointSegmenter(file, decoded: [:]) }
      #expect(throws: SegmenterFileError.self) {
        try PointSegmenter(file, decoded: [name: Tensor<Float>.zeros([2])])
      }
      let error = #expect(throws: SegmenterFileError.self) { try PointSegmenter(path: path) }
      #expect("\(try #require(error))".contains("packed codes"))
    }
  }
}
