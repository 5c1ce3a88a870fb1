import Autograd
import Foundation
import PointCloud
import Tensor
import TestSupport
import Testing

@Suite struct FrontEndTests {
  /// Random points in voxels of 0.5 m, in the order in which points meet them.
  static func input(count: Int, seed: UInt64 = 3) -> DDFEInput {
    var generator = Philox(seed: seed)
    let positions = Tensor<Float>.uniform([count, 3], from: -4, to: 4, using: &generator)
    let cells = (positions * 2).floor()
    var (known, coordinates, voxels): ([[Int32]: Int32], [Int32], [Int32]) = ([:], [], [])
    for row in 0..<count {
      let cell = cells[row].elements.map { Int32($0) }
      let voxel = known[cell] ?? Int32(known.count)
      if known.updateValue(voxel, forKey: cell) == nil { coordinates += cell }
      voxels.append(voxel)
    }
    let pointDensity = Tensor<Float>.uniform([count, 4], from: -1, to: 1, using: &generator)
    let members = VoxelMembers(
      pointToVoxel: Tensor(voxels, shape: [count]),
      voxelCount: known.count
    )
    return DDFEInput(
      positions: positions,
      pointDensity: pointDensity,
      voxelDensity: pointDensity.segmentMean(members.pointToVoxel, count: known.count),
      members: members,
      grid: .init(coordinates: Tensor(coordinates, shape: [known.count, 3]), voxelSize: 0.5)
    )
  }

  @Test func parameterCountsAreThePapers() {
    var generator = Philox(seed: 1)
    #expect(DDFE(.paper, using: &generator).parameterCount.total == 24_256)
    #expect(DDFE(.small, using: &generator).parameterCount.total == 4_896)
    #expect(DDFE.Configuration.paper.parameterCount == 24_256)
    #expect(DDFE.Configuration.small.parameterCount == 4_896)
  }

  @Test(arguments: [DDFE.Configuration.paper, .small])
  func coordinateFrontEndHasTheSizeOfDDFE(configuration: DDFE.Configuration) {
    var generator = Philox(seed: 1)
    let match = CoordinateFrontEnd.Configuration(matching: configuration)
    let count = CoordinateFrontEnd(match, using: &generator).parameterCount.total
    #expect(count == match.parameterCount)
    #expect(abs(count - configuration.parameterCount) * 100 < configuration.parameterCount)
  }

  @Test func everyFrontEndComesFromItsConfiguration() throws {
    let input = Self.input(count: 60)
    var encoding = DDFE.Configuration.small
    encoding.gates = .none
    let all: [FrontEndConfiguration] = [
      .constant, .coordinates(.init(matching: .small)), .ddfe(.small), .ddfe(encoding),
    ]
    for configuration in all {
      let data = try JSONEncoder().encode(configuration)
      #expect(try JSONDecoder().decode(FrontEndConfiguration.self, from: data) == configuration)
      var generator = Philox(seed: 1)
      let frontEnd = configuration.makeFrontEnd(using: &generator)
      #expect(frontEnd.outputWidth == configuration.outputWidth)
      let output = frontEnd(input)
      #expect(output.shape == [input.voxelCount, configuration.outputWidth])
      #expect(output.value.elements.allSatisfy { $0.isFinite })
    }
  }

  @Test func encodingAloneDoesNotSeeTheDensity() {
    var configuration = DDFE.Configuration.small
    configuration.gates = .none
    var input = Self.input(count: 40)
    var generator = Philox(seed: 1)
    let model = DDFE(configuration, using: &generator)
    #expect(model.pointGate == nil && model.voxelGate == nil)
    #expect(model.parameterCount.total == 3_616)
    let before = model(input).value
    input.pointDensity = -input.pointDensity
    input.voxelDensity = -input.voxelDensity
    #expect(model(input).value == before)
    let gated = DDFE(.small, using: &generator)
    let withDensity = gated(input).value
    input.pointDensity = -input.pointDensity
    #expect(gated(input).value != withDensity)
  }

  @Test func namesAreThePropertiesPaths() {
    var generator = Philox(seed: 1)
    let model = DDFE(.paper, using: &generator)
    let names = model.namedParameters().map(\.name)
    #expect(names.first == "pointEncoder.0.weight" && names.last == "fuse.4.bias")
    #expect(names.contains("voxelGate.3.bias") && !names.contains("voxelGate.0.bias"))
    #expect(model.namedBuffers().first?.name == "pointEncoder.1.running_mean")
  }

  @Test func theOrderOfTheVoxelsIsTheOnlyOrderThatMatters() {
    let input = Self.input(count: 80)
    let order = (0..<80).map { Int32(79 - $0) }
    let rows = Tensor(order, shape: [80])
    var turned = input
    turned.positions = input.positions.taking(rows, axis: 0)
    turned.points = input.points.taking(rows, axis: 0)
    turned.pointDensity = input.pointDensity.taking(rows, axis: 0)
    turned.members = VoxelMembers(
      pointToVoxel: input.members.pointToVoxel.taking(rows, axis: 0),
      voxelCount: input.voxelCount
    )
    var generator = Philox(seed: 1)
    let model = DDFE(.small, using: &generator)
    model.eval()
    expectClose(model(turned).value, model(input).value, absolute: 1e-6)
  }

  @Test(arguments: [DDFE.Configuration.paper, .small], [true, false])
  func useGivesWhatTrainedLayersGive(configuration: DDFE.Configuration, hasGates: Bool) {
    var configuration = configuration
    configuration.gates = hasGates ? .density : .none
    var generator = Philox(seed: 1)
    let model = DDFE(configuration, using: &generator)
    let input = Self.input(count: 2_100)
    // Statistics of their own, and weights and shifts of the norms that are not 1 and 0.
    for entry in model.namedParameters() where entry.parameter.shape.rank == 1 {
      entry.parameter.value += .uniform(entry.parameter.shape, from: 0, to: 1, using: &generator)
    }
    for _ in 0..<3 { _ = model(input) }
    // Without a tape, but still following its batches.
    let training = withoutGradients { model(input) }.value
    expectClose(training, model(input).value, absolute: 1e-5, "training")
    model.eval()
    let expected = model(input)
    let found = withoutGradients { model(input) }
    #expect(expected.isFollowed && !found.isFollowed)
    expectClose(found.value, expected.value, relative: 1e-5, absolute: 1e-5)
  }

  @Test func threadsDoNotChangeABit() {
    let input = Self.input(count: 3_000)
    func run(threads: Int) -> [Tensor<Float>] {
      WorkPool.threadCount = threads
      var generator = Philox(seed: 1)
      let model = DDFE(.small, using: &generator)
      let output = model(input)
      output.backward(from: output.value)
      let gradients = model.parameters().compactMap(\.gradient)
      model.eval()
      return gradients + [output.value, withoutGradients { model(input) }.value]
    }
    let before = WorkPool.threadCount
    defer { WorkPool.threadCount = before }
    #expect(run(threads: 1) == run(threads: 4))
  }

  @Test func aReplacedLayerIsUsed() throws {
    var generator = Philox(seed: 1)
    let model = DDFE(.small, using: &generator)
    let input = Self.input(count: 50)
    model.eval()
    let before = withoutGradients { model(input) }.value
    try model.replaceLayer(at: "fuse.0", with: ZeroLinear(inputWidth: 64, outputWidth: 16))
    let after = withoutGradients { model(input) }.value
    #expect(after != before && after == .zeros(after.shape))
  }

  @Test(arguments: [0, 1, 2]) func fewPoints(count: Int) {
    var generator = Philox(seed: 1)
    let input = Self.input(count: count)
    let frontEnds: [any FrontEnd] = [
      DDFE(.small, using: &generator), ConstantFrontEnd(),
      CoordinateFrontEnd(.init(matching: .small), using: &generator),
    ]
    for frontEnd in frontEnds {
      frontEnd.eval()
      for output in [frontEnd(input), withoutGradients { frontEnd(input) }] {
        #expect(output.shape == [input.voxelCount, frontEnd.outputWidth])
        #expect(output.value.elements.allSatisfy { $0.isFinite })
      }
    }
  }
}

/// A layer of another kind than `Linear`: all its weights are 0.
private final class ZeroLinear: LinearLayer {
  let inputWidth: Int
  let outputWidth: Int

  init(inputWidth: Int, outputWidth: Int) {
    (self.inputWidth, self.outputWidth) = (inputWidth, outputWidth)
  }

  func callAsFunction(_ input: Tensor<Float>) -> Tensor<Float> {
    .zeros([input.shape[0], outputWidth])
  }

  func callAsFunction(_ input: Variable) -> Variable { Variable(self(input.value)) }

  func weightRows(_ indices: [Int32]) -> Tensor<Float> { .zeros([indices.count, inputWidth]) }
}
