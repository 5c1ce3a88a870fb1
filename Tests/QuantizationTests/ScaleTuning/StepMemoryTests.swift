import Autograd
import Tensor
import TestSupport
import Testing

@testable import Quantization

/// Neither a step nor an inference writes a layer's weight out, and a step no gradient of it.
///
/// Each case runs in a process of its own, because the pool counts what all tests of one take.
@Suite struct StepMemoryTests {
  /// The layer's floats would take 64 MiB.
  private static let width = 4096

  /// The bytes that a step of a layer takes above it, for a few rows.
  private static func growth(of layer: some LinearLayer) -> Int {
    var generator = Philox(seed: 1)
    let x = Parameter(.normal([8, width], using: &generator))
    let before = MemoryPool.statistics.bytesInUse
    MemoryPool.resetPeak()
    let y = layer(x.variable)
    (y * y).sum().backward()
    precondition(x.gradient != nil)
    if let layer = layer as? any ScaleTunedLinear { precondition(layer.scales.gradient != nil) }
    return MemoryPool.statistics.peakBytesInUse - before
  }

  /// The most bytes that inference takes above a layer, for one row and for many.
  private static func growth(ofInference layer: some LinearLayer) -> Int {
    [1, 64].map { rows in
      let x = Tensor<Float>.ones([rows, width])
      let before = MemoryPool.statistics.bytesInUse
      MemoryPool.resetPeak()
      precondition(layer(x).count == rows * width)
      return MemoryPool.statistics.peakBytesInUse - before
    }.max() ?? 0
  }

  private static func peqa(_ granularity: Granularity, bits: Int = 4) throws -> PEQALinear {
    let scheme = try WeightScheme(
      grid: QuantizationGrid(bits: bits, isSymmetric: true),
      granularity: granularity,
      scaleType: .float32
    )
    let shape: Shape = [width, width]
    let matrix = QuantizedMatrix(
      codes: Tensor(repeating: 3, shape: shape),
      stepSizes: .ones(granularity.layout(for: shape).shape),
      zeroPoints: nil,
      scheme: scheme
    )
    return PEQALinear(matrix)
  }

  private static var binary: BinaryCodedMatrix {
    BinaryCodedMatrix(
      columnCount: width,
      words: Tensor(repeating: 0x0F0F_3355, shape: [width, 3, width / 32]),
      scales: .ones([width, 1, 3])
    )
  }

  @Test func inference() async {
    await #expect(processExitsWith: .success) {
      for bits in [2, 3, 4, 8] {
        for granularity in [Granularity.outputChannel, .inputGroups(64)] {
          let layer = try StepMemoryTests.peqa(granularity, bits: bits).packed()
          let bytes = StepMemoryTests.growth(ofInference: layer)
          #expect(bytes < 4 << 20, "\(bits) bits, \(granularity): \(bytes) bytes")
        }
      }
      let layer = BinaryCodedLinear(weight: StepMemoryTests.binary)
      let bytes = StepMemoryTests.growth(ofInference: layer)
      #expect(bytes < 4 << 20, "binary codes: \(bytes) bytes")
    }
  }

  /// What the other cases would see.
  @Test func stepsOfFloats() async {
    await #expect(processExitsWith: .success) {
      let width = StepMemoryTests.width
      let layer = Linear(weight: Parameter(.zeros([width, width])))
      #expect(StepMemoryTests.growth(of: layer) > width * width * 4)
    }
  }

  @Test func stepsOfRows() async {
    await #expect(processExitsWith: .success) {
      let bytes = StepMemoryTests.growth(of: try StepMemoryTests.peqa(.outputChannel))
      #expect(bytes < 4 << 20, "\(bytes) bytes")
    }
  }

  @Test func stepsOfGroupsOfInputs() async {
    await #expect(processExitsWith: .success) {
      let bytes = StepMemoryTests.growth(of: try StepMemoryTests.peqa(.inputGroups(64)))
      #expect(bytes < 8 << 20, "\(bytes) bytes")
    }
  }

  @Test func stepsOfGroupsOfOutputs() async {
    await #expect(processExitsWith: .success) {
      let bytes = StepMemoryTests.growth(of: try StepMemoryTests.peqa(.outputGroups(64)))
      #expect(bytes < 8 << 20, "\(bytes) bytes")
    }
  }

  @Test func stepsOfBinaryCodes() async {
    await #expect(processExitsWith: .success) {
      let layer = AlphaTuningLinear(StepMemoryTests.binary)
      let bytes = StepMemoryTests.growth(of: layer)
      #expect(bytes < 8 << 20, "\(bytes) bytes")
    }
  }
}
