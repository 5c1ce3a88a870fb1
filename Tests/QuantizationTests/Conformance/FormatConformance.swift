import Checkpoints
import Quantization
import Tensor
import TestSupport
import Testing

extension QuantizationConformance {
  /// Packed layers in the formats of other tools, word by word: every case of the `pack_*` files.
  @Suite struct Formats {
    static let gptq = FixtureCase.flexRound("pack_gptq")
    static let awq = FixtureCase.flexRound("pack_awq")
    static let compressed = FixtureCase.flexRound("pack_compressed_tensors")
    static let gguf = FixtureCase.flexRound("pack_gguf")

    @Test func filesHoldCases() {
      for cases in [Self.gptq, Self.awq, Self.compressed, Self.gguf] { #expect(!cases.isEmpty) }
    }

    /// The matrix of a case; codes and zero points count from `offset` below ours.
    private func matrix(
      _ item: FixtureCase,
      bits: Int,
      symmetric: Bool,
      groupSize: Int?,
      offset: Int32 = 0
    ) throws -> QuantizedMatrix {
      func shifted(_ name: String) throws -> Tensor<UInt8> {
        let stored = try item.integers(name)
        return Tensor(stored.elements.map { UInt8($0 + offset) }, shape: stored.shape)
      }
      let scale = try item.tensor("scale")
      let codes = try shifted("code")
      let steps = scale.rank == 1 ? scale.reshaped(to: [scale.count, 1]) : scale
      return QuantizedMatrix(
        codes: codes,
        stepSizes: steps,
        zeroPoints: symmetric ? nil : try shifted("zero").reshaped(to: steps.shape),
        scheme: try WeightScheme(
          grid: QuantizationGrid(bits: bits, isSymmetric: symmetric),
          granularity: groupSize.map { .inputGroups($0) } ?? .outputChannel
        )
      )
    }

    private func groupSize(_ item: FixtureCase) -> Int? {
      item.values["group_size"]?.intValue.flatMap { $0 > 0 ? $0 : nil }
    }

    @Test(arguments: gptq) func gptqWords(item: FixtureCase) throws {
      let symmetric =
        try item.bool("sym")
        && item.integers("zero").elements.allSatisfy { [bits = try item.int("bits")] in
          $0 == 1 << Int32(bits - 1)
        }
      let matrix = try matrix(
        item,
        bits: item.int("bits"),
        symmetric: symmetric,
        groupSize: groupSize(item)
      )
      let packed = try GPTQFormat(matrix, version: .one)
      #expect(packed.codes == (try item.integers("qweight")))
      #expect(packed.zeroPoints == (try item.integers("qzeros")))
      #expect(packed.stepSizes == (try item.tensor("scales")))
      #expect(packed.groupIndices == (try item.integers("g_idx")))
      expectNear(matrix.dequantized(), try item.tensor("dequant"), ofLargest: 1e-6, "values")
      let stored = GPTQFormat(
        version: .one,
        bits: try item.int("bits"),
        codes: try item.integers("qweight"),
        zeroPoints: try item.integers("qzeros"),
        stepSizes: try item.tensor("scales"),
        groupIndices: try item.integers("g_idx")
      )
      #expect(try stored.matrix().dequantized() == matrix.dequantized())
      let second = try GPTQFormat(matrix, version: .two)
      #expect(try second.matrix().dequantized() == matrix.dequantized())
    }

    @Test(arguments: awq) func awqWords(item: FixtureCase) throws {
      let matrix = try matrix(
        item,
        bits: item.int("bits"),
        symmetric: false,
        groupSize: groupSize(item)
      )
      let packed = try AWQFormat(matrix)
      #expect(packed.codes == (try item.integers("qweight")))
      #expect(packed.zeroPoints == (try item.integers("qzeros")))
      #expect(packed.stepSizes == (try item.tensor("scales")))
      let stored = AWQFormat(
        codes: try item.integers("qweight"),
        zeroPoints: try item.integers("qzeros"),
        stepSizes: try item.tensor("scales")
      )
      expectNear(try stored.matrix().dequantized(), try item.tensor("dequant"), ofLargest: 1e-6, "")
    }

    @Test(arguments: compressed) func compressedTensors(item: FixtureCase) throws {
      let (bits, symmetric) = (try item.int("bits"), item.bool("symmetric"))
      let isGrouped = try item.text("strategy") == "group"
      let matrix = try matrix(
        item,
        bits: bits,
        symmetric: symmetric,
        groupSize: isGrouped ? groupSize(item) : nil,
        offset: 1 << Int32(bits - 1)
      )
      let packed = try CompressedTensorsFormat(matrix)
      #expect(packed.codes == (try item.integers("weight_packed")))
      #expect(packed.stepSizes == (try item.tensor("weight_scale")))
      let shape = packed.shape.extents.map { Int32($0) }
      #expect(shape == (try item.integers("weight_shape").elements))
      let zeros = symmetric ? nil : try item.integers("weight_zero_point")
      #expect(packed.zeroPoints == zeros)
      let stored = CompressedTensorsFormat(
        bits: bits,
        codes: try item.integers("weight_packed"),
        stepSizes: try item.tensor("weight_scale"),
        shape: Shape(try item.integers("weight_shape").elements.map { Int($0) }),
        zeroPoints: zeros
      )
      expectNear(try stored.matrix().dequantized(), try item.tensor("dequant"), ofLargest: 1e-6, "")
    }

    @Test(arguments: gguf) func ggufBlocks(item: FixtureCase) throws {
      let name = item.values["type"]?.stringValue ?? String(item.prefix.dropLast())
      let type = try #require(Self.types[name], "an unknown type \(name)")
      let bytes = try item.integers("bytes")
      let values = try item.tensor("dequant")
      let stored = bytes.elements.map { UInt8($0) }
      #expect(expanded(stored, type, values.shape) == values, "reader of \(name)")
      if try item.has("values") {
        let rounded = try GGUFBlocks.rounding(item.tensor("values"), as: type)
        #expect(rounded.elements == stored)
      }
      guard try item.has("code") else { return }
      let symmetric = type == .q4_0 || type == .q8_0
      let highest = try item.integers("code").elements.max() ?? 0
      let bits = symmetric ? (type == .q8_0 ? 8 : 4) : type == .q2_K ? 2 : highest > 7 ? 4 : 3
      let matrix = try matrix(
        item,
        bits: bits,
        symmetric: symmetric,
        groupSize: nil,
        offset: symmetric ? 1 << Int32(bits - 1) : 0
      )
      #expect(try GGUFBlocks.encoding(matrix, as: type).elements == stored)
      let bound = item.values["max_rel_error_vs_code_minus_zero_times_scale"]?.doubleValue ?? 0
      let share = Float(bound) * 1.01
      expectNear(matrix.dequantized(), values, ofLargest: max(share, 1e-7), "values of \(name)")
    }

    private static let types: [String: GGUFTensorType] = [
      "Q4_0": .q4_0, "Q4_1": .q4_1, "Q5_0": .q5_0, "Q5_1": .q5_1, "Q8_0": .q8_0, "Q2_K": .q2_K,
      "Q3_K": .q3_K, "Q4_K": .q4_K, "Q5_K": .q5_K, "Q6_K": .q6_K,
    ]

    private func expanded(
      _ bytes: [UInt8],
      _ type: GGUFTensorType,
      _ shape: Shape
    ) -> Tensor<Float> {
      bytes.withUnsafeBytes { bytes in
        Tensor(uninitialized: shape) { type.dequantize(bytes, $0) }
      }
    }
  }
}

@Suite struct FormatTests {
  private func matrix(
    _ shape: Shape,
    bits: Int = 4,
    symmetric: Bool = false,
    _ granularity: Granularity = .outputChannel
  ) throws -> QuantizedMatrix {
    var generator = Philox(seed: 1)
    let scheme = try WeightScheme(
      grid: QuantizationGrid(bits: bits, isSymmetric: symmetric),
      granularity: granularity
    )
    return try RoundToNearest(scheme).quantize(.normal(shape, using: &generator)).matrix
  }

  @Test func zeroPointsOfZeroAskForVersionTwo() throws {
    // All weights positive: z = 0.
    let scheme = try WeightScheme(grid: QuantizationGrid(bits: 4), granularity: .outputChannel)
    var generator = Philox(seed: 2)
    let weight = Tensor<Float>.uniform([32, 64], from: 0.1, to: 1, using: &generator)
    let matrix = try RoundToNearest(scheme).quantize(weight).matrix
    #expect(matrix.zeroPoints?.elements.allSatisfy { $0 == 0 } == true)
    let packed = try GPTQFormat(matrix)
    #expect(packed.version == .two)
    #expect(try packed.matrix().dequantized() == matrix.dequantized())
    #expect(throws: QuantizationError.self) { try GPTQFormat(matrix, version: .one) }
  }

  @Test func symmetricWordsAreTheKnownOnes() throws {
    let matrix = try matrix([32, 32], symmetric: true)
    #expect(try GPTQFormat(matrix).zeroPoints.elements.allSatisfy { $0 == 0x7777_7777 })
    let second = try GPTQFormat(matrix, version: .two).zeroPoints.elements
    #expect(second.allSatisfy { UInt32(bitPattern: $0) == 0x8888_8888 })
  }

  @Test func orderedInputsKeepTheirGroups() throws {
    var generator = Philox(seed: 3)
    let weight = Tensor<Float>.normal([32, 64], using: &generator)
    let inputs = Tensor<Float>.normal([200, 64], using: &generator)
    let scheme = try WeightScheme(
      grid: QuantizationGrid(bits: 4),
      granularity: .inputGroups(16)
    )
    let matrix = try GPTQ(order: .activation).quantize(
      weight,
      hessian: CalibrationHessian(inputs),
      scheme: scheme
    ).matrix
    #expect(matrix.inputOrder != nil)
    let packed = try GPTQFormat(matrix, version: .two)
    #expect(try packed.matrix().dequantized() == matrix.dequantized())
    #expect(throws: QuantizationError.self) { try AWQFormat(matrix) }
    #expect(throws: QuantizationError.self) { try CompressedTensorsFormat(matrix) }
  }

  @Test func whatDoesNotFitIsRefused() throws {
    let narrow = try matrix([32, 40])
    #expect(throws: QuantizationError.self) { try GPTQFormat(narrow) }
    #expect(throws: QuantizationError.self) { try GGUFBlocks.encoding(narrow, as: .q4_1) }
    let outputs = try matrix([32, 64], .outputGroups(8))
    #expect(throws: QuantizationError.self) { try GPTQFormat(outputs) }
    #expect(throws: QuantizationError.self) { try CompressedTensorsFormat(outputs) }
    #expect(throws: QuantizationError.self) { try AWQFormat(matrix([32, 64], bits: 3)) }
    let plain = try matrix([4, 256])
    #expect(throws: QuantizationError.self) { try GGUFBlocks.encoding(plain, as: .q4_0) }
    #expect(throws: QuantizationError.self) { try GGUFBlocks.encoding(plain, as: .q6_K) }
    #expect(throws: QuantizationError.self) {
      try GGUFBlocks.rounding(.zeros([2, 33]), as: .q4_0)
    }
  }

  @Test(arguments: [Granularity.outputChannel, .inputGroups(32), .inputGroups(64)])
  func groupsOfWholeBlocksAreEncoded(granularity: Granularity) throws {
    let matrix = try matrix([3, 128], symmetric: true, granularity)
    let bytes = try GGUFBlocks.encoding(matrix, as: .q4_0)
    let values = bytes.elements.withUnsafeBytes { bytes in
      Tensor<Float>(uninitialized: [3, 128]) { GGUFTensorType.q4_0.dequantize(bytes, $0) }
    }
    #expect(values == matrix.dequantized())
  }
}
