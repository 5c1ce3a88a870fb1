import Checkpoints
import Quantization
import Tensor
import TestSupport
import Testing

@Suite struct BinaryCodedMatrixTests {
  private func matrix(
    _ shape: Shape,
    planes: Int = 3,
    groupSize: Int? = nil
  ) throws -> BinaryCodedMatrix {
    var generator = Philox(seed: 1)
    let weight = Tensor<Float>.normal(shape, using: &generator)
    return try BinaryCoding(planes: planes, groupSize: groupSize, rounds: 2).quantize(weight)
  }

  private func uniform(
    _ shape: Shape,
    bits: Int,
    symmetric: Bool = false,
    _ granularity: Granularity
  ) throws -> QuantizedMatrix {
    var generator = Philox(seed: 2)
    let scheme = try WeightScheme(
      grid: QuantizationGrid(bits: bits, isSymmetric: symmetric),
      granularity: granularity
    )
    return try RoundToNearest(scheme).quantize(.normal(shape, using: &generator)).matrix
  }

  // MARK: - Values

  @Test(arguments: [1, 3, 17, 32, 33, 70], [nil, 5, 32])
  func valuesAreTheSumOfPlanes(columns: Int, groupSize: Int?) throws {
    let plain = try matrix([6, columns], groupSize: groupSize)
    let groups = plain.scales.shape[1]
    let offsets = Tensor<Float>((0..<6 * groups).map { Float($0) / 8 }, shape: [6, groups])
    let matrix = BinaryCodedMatrix(
      columnCount: columns,
      groupSize: groupSize,
      words: plain.words,
      scales: plain.scales,
      offsets: offsets
    )
    let (scales, signs) = (matrix.scales.elements, (0..<3).map { matrix.signs(plane: $0).elements })
    let expected = (0..<6 * columns).map { place in
      let group = place / columns * groups + place % columns / matrix.groupSize
      return (0..<3).reduce(offsets.elements[group]) {
        $0 + scales[group * 3 + $1] * signs[$1][place]
      }
    }
    let values = Tensor(expected, shape: [6, columns])
    expectClose(matrix.dequantized(), values, absolute: 1e-5)
    expectClose(matrix.rows([4, 0, 4]), values.rows([4, 0, 4]), absolute: 1e-5)
    var generator = Philox(seed: 3)
    let bias = Tensor<Float>.normal([6], using: &generator)
    for count in [1, 2, 9] {
      let input = Tensor<Float>.normal([count, columns], using: &generator)
      let product = input.linear(weight: values, bias: bias)
      expectClose(matrix.product(with: input, bias: bias), product, absolute: 1e-4)
    }
    let codes = matrix.codes().elements
    for plane in 0..<3 {
      #expect(codes.map { $0 >> plane & 1 == 1 } == signs[plane].map { $0 == 1 })
    }
  }

  @Test func replacedScalesKeepTheSigns() throws {
    let matrix = try matrix([4, 40], groupSize: 16)
    let doubled = matrix.replacing(scales: matrix.scales * 2)
    #expect(doubled.words == matrix.words && doubled.groupSize == 16)
    #expect(doubled.dequantized() == matrix.dequantized() * 2)
  }

  @Test func bytesAreThoseOfTheFile() throws {
    // 2 planes of one word, 2 groups of 2 scales, each row.
    let matrix = try matrix([3, 20], planes: 2, groupSize: 10)
    #expect(matrix.byteCount == 3 * (2 * 4 + 4 * 4))
    #expect(try matrix.converted(to: .float16).byteCount == 3 * (2 * 4 + 4 * 2))
  }

  @Test func scalesOfTheWrongShapeStopWithBothShapes() async throws {
    let result = try #require(
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        _ = BinaryCodedMatrix(columnCount: 4, words: .zeros([2, 3, 1]), scales: .zeros([2, 3]))
      }
    )
    let text = String(decoding: result.standardErrorContent, as: UTF8.self)
    #expect(text.contains("binary codes: scales") && text.contains("are needed"))
  }

  // MARK: - Uniform matrices

  @Test(arguments: [
    Granularity.tensor, .outputChannel, .inputGroups(8), .inputGroups(7), .inputGroups(32),
  ])
  func uniformMatricesKeepTheirValues(granularity: Granularity) throws {
    for bits in 1...8 {
      for symmetric in [false, true] {
        let uniform = try uniform([9, 45], bits: bits, symmetric: symmetric, granularity)
        let binary = try BinaryCodedMatrix(uniform: uniform)
        #expect(binary.planeCount == bits && binary.codes() == uniform.codes())
        expectNear(binary.dequantized(), uniform.dequantized(), ofLargest: 1e-6, "\(bits) bits")
      }
    }
  }

  @Test func uniformCodesByHand() throws {
    // s = 1, z = 1: values −1 … 2 = ±1 ± ½ + ½.
    let scheme = try WeightScheme(grid: QuantizationGrid(bits: 2), granularity: .outputChannel)
    let weight = Tensor<Float>([-1, 0, 1, 2], shape: [1, 4])
    let binary = try BinaryCodedMatrix(uniform: RoundToNearest(scheme).quantize(weight).matrix)
    #expect(binary.scales.elements == [0.5, 1] && binary.offsets?.elements == [0.5])
    #expect(binary.dequantized() == weight)
  }

  @Test func scatteredGroupsAreRefused() throws {
    let outputs = try uniform([8, 32], bits: 4, .outputGroups(4))
    #expect(throws: QuantizationError.self) { try BinaryCodedMatrix(uniform: outputs) }
    var generator = Philox(seed: 4)
    let hessian = CalibrationHessian(Tensor<Float>.normal([100, 32], using: &generator))
    let weight = Tensor<Float>.normal([8, 32], using: &generator)
    for granularity in [Granularity.inputGroups(8), .outputChannel] {
      let scheme = try WeightScheme(
        grid: QuantizationGrid(bits: 3),
        granularity: granularity
      )
      let ordered = try GPTQ(order: .activation).quantize(
        weight,
        hessian: hessian,
        scheme: scheme
      ).matrix
      guard granularity == .outputChannel || ordered.inputOrder == nil else {
        #expect(throws: QuantizationError.self) { try BinaryCodedMatrix(uniform: ordered) }
        continue
      }
      let binary = try BinaryCodedMatrix(uniform: ordered)
      expectNear(binary.dequantized(), ordered.dequantized(), ofLargest: 1e-6, "rows")
    }
  }

  // MARK: - Files

  private func write(_ matrix: BinaryCodedMatrix, _ path: String) throws -> Checkpoint {
    let writer = try SafetensorsWriter(path: path, tensors: matrix.declarations(named: "layer"))
    try matrix.write(to: writer, named: "layer")
    try writer.finish()
    return try Checkpoint(path: path)
  }

  @Test(arguments: [nil, 8, 7, 32], ScaleType.allCases)
  func matricesComeBack(groupSize: Int?, type: ScaleType) throws {
    let plain = try matrix([5, 40], groupSize: groupSize)
    let granularity = groupSize.map { Granularity.inputGroups($0) } ?? .outputChannel
    let uniform = try BinaryCodedMatrix(uniform: uniform([5, 40], bits: 4, granularity))
    for matrix in [try plain.converted(to: type), try uniform.converted(to: type)] {
      try withTemporaryFolder { folder in
        let file = try write(matrix, folder + "/model.safetensors")
        #expect(BinaryCodedMatrix.isStored("layer", in: file))
        #expect(!BinaryCodedMatrix.isStored("other", in: file))
        let read = try BinaryCodedMatrix(
          named: "layer",
          shape: [5, 40],
          groupSize: groupSize,
          in: file
        )
        #expect(read.words == matrix.words && read.scales == matrix.scales)
        #expect(read.offsets == matrix.offsets && read.scaleType == type)
        #expect(read.dequantized() == matrix.dequantized())
      }
    }
  }

  @Test func scalesThatHalfPrecisionCannotHoldAreRefused() throws {
    let matrix = try matrix([2, 8])
    let large = matrix.replacing(scales: matrix.scales * 1e6)
    #expect(throws: QuantizationError.self) { try large.converted(to: .float16) }
  }

  @Test func filesThatDoNotFitAreRefused() throws {
    let matrix = try matrix([5, 40], groupSize: 8)
    func expectError(
      _ shape: Shape,
      _ groupSize: Int?,
      _ text: String,
      of changed: BinaryCodedMatrix? = nil
    ) throws {
      try withTemporaryFolder { folder in
        let file = try write(changed ?? matrix, folder + "/model.safetensors")
        let error = #expect(throws: (any Error).self) {
          try BinaryCodedMatrix(named: "layer", shape: shape, groupSize: groupSize, in: file)
        }
        #expect("\(error.map { "\($0)" } ?? "")".contains(text), "\(shape)")
      }
    }
    try expectError([6, 40], 8, "layer.binary_planes")
    try expectError([5, 70], 8, "layer.binary_planes")
    try expectError([5, 40], 10, "layer.binary_scale")
    try expectError([5, 40], nil, "layer.binary_scale")
    var scales = matrix.scales
    scales.withUnsafeMutableElements { $0[3] = .nan }
    try expectError([5, 40], 8, "not finite", of: matrix.replacing(scales: scales))
    var words = matrix.words
    words.withUnsafeMutableElements { $0[1] |= 1 << 30 }
    let dirty = BinaryCodedMatrix(
      columnCount: 40,
      groupSize: 8,
      words: words,
      scales: matrix.scales
    )
    try expectError([5, 40], 8, "past input 39", of: dirty)
  }

  // MARK: - LUT-GEMM

  @Test(arguments: [nil, 32, 64]) func formatsComeBack(groupSize: Int?) throws {
    let granularity = groupSize.map { Granularity.inputGroups($0) } ?? .outputChannel
    let uniform = try BinaryCodedMatrix(uniform: uniform([7, 128], bits: 3, granularity))
    for matrix in [try matrix([7, 128], groupSize: groupSize), uniform] {
      let format = try LUTGEMMFormat(matrix)
      #expect(format.planes.shape == [4, 3, 7])
      #expect(format.scales.shape == [128 / (groupSize ?? 128), 3, 7])
      let read = try format.matrix()
      #expect(read.words == matrix.words && read.scales == matrix.scales)
      #expect(read.offsets == matrix.offsets && read.groupSize == matrix.groupSize)
    }
  }

  @Test func whatLUTGEMMCannotHoldIsRefused() throws {
    for (shape, groupSize) in [([2, 40], nil), ([2, 64], 16), ([2, 96], 64)] as [(Shape, Int?)] {
      let matrix = try matrix(shape, groupSize: groupSize)
      #expect(throws: QuantizationError.self) { try LUTGEMMFormat(matrix) }
    }
    let good = try LUTGEMMFormat(matrix([2, 96], groupSize: 32))
    for bad in [
      LUTGEMMFormat(planes: good.planes, scales: .zeros([2, 3, 2])),
      LUTGEMMFormat(planes: good.planes, scales: .zeros([3, 2, 2])),
      LUTGEMMFormat(planes: good.planes, scales: .zeros([3, 3])),
      LUTGEMMFormat(planes: good.planes, scales: good.scales, offsets: .zeros([2, 3])),
    ] {
      #expect(throws: QuantizationError.self) { try bad.matrix() }
    }
  }
}
