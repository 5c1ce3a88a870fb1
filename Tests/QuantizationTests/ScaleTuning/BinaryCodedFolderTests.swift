import Autograd
import Checkpoints
import Foundation
import Quantization
import Tensor
import TestSupport
import Testing

/// Folders whose linear layers are binary codes: the settings, the tensors, the layer that computes.
@Suite struct BinaryCodedFolderTests {
  /// The floats of a catalog.
  private struct Floats: WeightSource {
    let catalog: any TensorCatalog

    func contains(_ name: String) -> Bool { catalog.describe(name) != nil }

    func tensor(_ name: String, shape: Shape) throws -> Tensor<Float> { try catalog.floats(name) }

    func linear(
      _ name: String,
      outputWidth: Int,
      inputWidth: Int,
      hasBias: Bool
    ) throws -> any LinearLayer {
      FrozenLinear(weight: .float32(try catalog.floats(name + ".weight")))
    }
  }

  private static let shape: Shape = [12, 40]

  private func weight(seed: UInt64 = 1) -> Tensor<Float> {
    var generator = Philox(seed: seed)
    return .normal(Self.shape, using: &generator)
  }

  private func coding(
    _ planes: Int = 3,
    _ groupSize: Int? = 8,
    rounds: Int = 2
  ) throws -> BinaryCoding {
    try BinaryCoding(planes: planes, groupSize: groupSize, rounds: rounds)
  }

  private func uniform(_ bits: Int = 4) throws -> WeightScheme {
    try WeightScheme(grid: QuantizationGrid(bits: bits), granularity: .inputGroups(8))
  }

  /// Quantizes a model of one layer with a bias beside a norm into a folder.
  private func run(
    _ configuration: QuantizationConfiguration,
    _ weight: Tensor<Float>,
    in folder: String
  ) throws -> QuantizationReport {
    let source = folder + "/source.safetensors"
    let names = ["layer.weight", "layer.bias", "norm.weight"]
    try SafetensorsFile.write(
      ["layer.weight": weight, "layer.bias": .ones([12]), "norm.weight": .ones([40])],
      to: source
    )
    return try CheckpointQuantizer(configuration).run(
      Checkpoint(path: source),
      plan: QuantizationPlan(
        tensorNames: names,
        linearLayers: ["layer"],
        embeddingLayers: [],
        configurationDocument: [:],
        documents: [:]
      ),
      to: URL(filePath: folder + "/model")
    )
  }

  /// The weights of a folder that `run` wrote, by its own settings or by others.
  private func open(
    _ folder: String,
    as other: QuantizationConfiguration? = nil
  ) throws -> QuantizedWeights {
    let path = folder + "/model/config.json"
    let document = try JSONValue.read(path)[QuantizationConfiguration.key]?.objectValue
    let own = try QuantizationConfiguration(document: #require(document), path: path)
    let catalog = try Checkpoint(path: folder + "/model")
    return QuantizedWeights(
      catalog,
      configuration: other ?? own,
      embeddings: [],
      dense: Floats(catalog: catalog)
    )
  }

  // MARK: - Round trip

  @Test(arguments: [nil, 8, 7, 64], ScaleType.allCases)
  func foldersComeBack(groupSize: Int?, type: ScaleType) throws {
    let weight = weight()
    for rounds in [0, 3] {
      let coding = try coding(3, groupSize, rounds: rounds)
      let expected = try coding.quantize(weight).converted(to: type)
      let configuration = QuantizationConfiguration(binaryCoding: coding, scaleType: type)
      try withTemporaryFolder { folder in
        let report = try run(configuration, weight, in: folder)
        let layer = try #require(report.layers.first)
        #expect(layer.name == "layer" && layer.scheme == .binary(coding, scaleType: type))
        #expect(layer.byteCount == expected.byteCount && layer.scheme.bits == 3)
        let error = expected.meanSquaredError(from: weight)
        #expect(layer.meanSquaredError == error)
        expectClose([layer.relativeError], [error / Double(weight.square().mean())], relative: 1e-6)
        let file = try SafetensorsFile(path: folder + "/model/model.safetensors")
        #expect(report.byteCount == file.entries.reduce(0) { $0 + $1.byteRange.count })

        let weights = try open(folder)
        #expect(weights.configuration == configuration)
        #expect(weights.isPacked("layer") && !weights.isPacked("norm"))
        #expect(try weights.floats("layer", shape: Self.shape) == expected.dequantized())
        let read = try weights.linear("layer", outputWidth: 12, inputWidth: 40, hasBias: true)
        #expect(read is BinaryCodedLinear && read.inputWidth == 40 && read.outputWidth == 12)
        let input = self.weight(seed: 2)
        #expect(read(input) == expected.product(with: input, bias: .ones([12])))
        #expect(read.weightRows([3, 1]) == expected.rows([3, 1]))
      }
    }
  }

  @Test(arguments: [nil, 8, 7]) func gradientsReachTheInput(groupSize: Int?) throws {
    let matrix = try coding(2, groupSize).quantize(weight())
    var generator = Philox(seed: 3)
    for count in [1, 3, 17] {
      let input = Parameter(.normal([count, 40], using: &generator))
      let gradient = Tensor<Float>.normal([count, 12], using: &generator)
      let layer = BinaryCodedLinear(weight: matrix, bias: .ones([12]))
      let output = layer(input.variable)
      #expect(output.value == layer(input.value))
      output.backward(from: gradient)
      let found = try #require(input.gradient)
      // gradient · W, by the weights that the codes stand for.
      expectClose(found, gradient.matmul(matrix.dequantized()), relative: 1e-4, absolute: 1e-4)
      #expect(found == matrix.inputGradient(gradient))
    }
  }

  @Test func aBiasOfTheWrongShapeStopsWithBothShapes() async throws {
    let result = try #require(
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        let matrix = BinaryCodedMatrix(
          columnCount: 4,
          words: .zeros([2, 1, 1]),
          scales: .zeros([2, 1, 1])
        )
        _ = BinaryCodedLinear(weight: matrix, bias: .zeros([3]))
      }
    )
    let text = String(decoding: result.standardErrorContent, as: UTF8.self)
    #expect(text.contains("binary-coded linear: the bias must match the weight's rows"))
  }

  @Test func schemesComeBackFromJSON() throws {
    func copy(_ scheme: LayerScheme) throws -> LayerScheme {
      try JSONDecoder().decode(LayerScheme.self, from: JSONEncoder().encode(scheme))
    }
    let uniform = try uniform()
    for scheme in [
      .uniform(uniform), .binary(try coding(), scaleType: .float16),
      .binary(try coding(1, nil, rounds: 0), scaleType: .float32),
    ] as [LayerScheme] {
      #expect(try copy(scheme) == scheme)
    }
    // A uniform scheme is written as it is without planes beside it.
    let plain = try JSONDecoder().decode(LayerScheme.self, from: JSONEncoder().encode(uniform))
    #expect(plain == .uniform(uniform) && plain.weightScheme == uniform && plain.bits == 4)
    #expect(throws: (any Error).self) {
      try JSONDecoder().decode(
        LayerScheme.self,
        from: Data(#"{"planes": 9, "rounds": 1, "scaleType": "float16"}"#.utf8)
      )
    }
  }

  // MARK: - Settings

  private func read(_ text: String) throws -> QuantizationConfiguration {
    let document = try #require(JSONValue.parse(text).objectValue)
    return try QuantizationConfiguration(document: document, path: "config.json")
  }

  private func settings(_ method: String, _ linear: String, _ more: String = "") -> String {
    #"{"quant_method": "apus", "format_version": 1, "method": "\#(method)", "#
      + #""linear": {\#(linear)}\#(more)}"#
  }

  @Test func settingsMeanWhatTheySay() throws {
    let groups = #""planes": 3, "group_size": 64, "rounds": 15, "scale_type": "float16""#
    let grouped = try read(settings("bcq", groups))
    #expect(grouped == QuantizationConfiguration(binaryCoding: try coding(3, 64, rounds: 15)))
    let rows = try read(settings("bcq", #""planes": 8, "rounds": 0, "scale_type": "float32""#))
    let scheme = LayerScheme.binary(try coding(8, nil, rounds: 0), scaleType: .float32)
    #expect(rows.scheme == scheme && rows.method == .binaryCoding && rows.scheme.bits == 8)
    #expect(rows.document["linear"]?["group_size"] == nil)
    let old =
      #""bits": 4, "symmetric": false, "range": "minmax", "scale_type": "float16", "#
      + #""granularity": "group", "group_size": 8"#
    #expect(try read(settings("rtn", old)) == QuantizationConfiguration(scheme: uniform()))
  }

  static let damaged: [(method: String, linear: String, reason: String)] = [
    ("bcq", #""rounds": 1, "scale_type": "float16""#, "'planes' or 'rounds' is missing"),
    ("bcq", #""planes": 2, "scale_type": "float16""#, "'planes' or 'rounds' is missing"),
    ("bcq", #""planes": "2", "rounds": 1, "scale_type": "float16""#, "or no integer"),
    ("bcq", #""planes": 0, "rounds": 1, "scale_type": "float16""#, "0 binary planes"),
    ("bcq", #""planes": 9, "rounds": 1, "scale_type": "float16""#, "9 binary planes"),
    ("bcq", #""planes": 2, "rounds": -1, "scale_type": "float16""#, "-1 rounds"),
    ("bcq", #""planes": 2, "rounds": 1"#, "'scale_type' is missing"),
    ("bcq", #""planes": 2, "rounds": 1, "scale_type": "int8""#, "'scale_type' is missing or"),
    (
      "bcq", #""planes": 2, "rounds": 1, "scale_type": "float16", "group_size": 0"#,
      "a group of 0 weights"
    ),
    (
      "bcq", #""planes": 2, "rounds": 1, "scale_type": "float16", "group_size": "all""#,
      "'group_size' is no integer"
    ),
    ("rtn", #""planes": 2, "rounds": 1, "scale_type": "float16""#, "'bits' or 'symmetric'"),
    (
      "bcq", #""bits": 4, "symmetric": false, "range": "minmax", "scale_type": "float16""#,
      "'planes' or 'rounds' is missing"
    ),
  ]

  @Test(arguments: damaged)
  func damagedSettingsAreRefused(item: (method: String, linear: String, reason: String)) throws {
    try expectRefusal(settings(item.method, item.linear), item.reason)
  }

  @Test func activationsBesideBinaryCodesAreRefused() throws {
    let linear = #""planes": 2, "rounds": 1, "scale_type": "float16""#
    let more = #", "activations": {"bits": 8, "sharing": "token"}"#
    try expectRefusal(settings("bcq", linear, more), "'activations' has no meaning")
  }

  private func expectRefusal(_ text: String, _ reason: String) throws {
    let error = #expect(throws: QuantizationError.self) { try read(text) }
    guard case .invalidConfiguration(let path, let found)? = error else {
      Issue.record("\(error.map { "\($0)" } ?? "nothing") is no invalid configuration")
      return
    }
    #expect(path == "config.json" && found.contains(reason), "\(found)")
  }

  // MARK: - Refusals

  private func expectError(_ text: String, _ body: () throws -> Void) {
    let error = #expect(throws: (any Error).self) { try body() }
    let found = error.map { "\($0)" } ?? ""
    #expect(found.contains(text), "\(found)")
  }

  @Test func tensorsThatDoNotFitTheSettingsAreRefused() throws {
    func linear(_ weights: QuantizedWeights, outputWidth: Int = 12) throws {
      _ = try weights.linear(
        "layer",
        outputWidth: outputWidth,
        inputWidth: 40,
        hasBias: false
      )
    }
    func binary(_ planes: Int, _ size: Int?) throws -> QuantizationConfiguration {
      QuantizationConfiguration(binaryCoding: try coding(planes, size))
    }
    try withTemporaryFolder { folder in
      _ = try run(binary(3, 8), weight(), in: folder)
      try linear(open(folder))
      expectError("has 3 planes, the configuration says 2") {
        try linear(open(folder, as: binary(2, 8)))
      }
      expectError("layer.binary_scale") { try linear(open(folder, as: binary(3, 10))) }
      expectError("layer.binary_scale") { try linear(open(folder, as: binary(3, nil))) }
      expectError("layer.binary_planes") { try linear(open(folder), outputWidth: 13) }
      expectError("no planes for it") {
        try linear(open(folder, as: QuantizationConfiguration(scheme: uniform())))
      }
      // No uniform grid holds binary codes, and the refusal says which layer.
      let error = #expect(throws: QuantizationError.self) {
        try open(folder).matrix("layer", shape: Self.shape)
      }
      guard case .inexportable("layer", _, _)? = error else {
        Issue.record("\(error.map { "\($0)" } ?? "nothing")")
        return
      }
    }
    try withTemporaryFolder { folder in
      _ = try run(QuantizationConfiguration(scheme: uniform()), weight(), in: folder)
      try linear(open(folder))
      expectError("no scheme for it") { try linear(open(folder, as: binary(3, 8))) }
    }
  }

  @Test func layersWithoutScalesAreRefused() throws {
    try withTemporaryFolder { folder in
      let configuration = QuantizationConfiguration(binaryCoding: try coding())
      _ = try run(configuration, weight(), in: folder)
      let path = folder + "/model/model.safetensors"
      let words = try Checkpoint(path: path).tensor("layer.binary_planes", as: Int32.self)
      try SafetensorsFile.write([SafetensorsItem("layer.binary_planes", words)], to: path)
      let weights = try open(folder)
      expectError("layer.binary_scale") {
        _ = try weights.linear("layer", outputWidth: 12, inputWidth: 40, hasBias: false)
      }
    }
  }

  @Test func whatCannotBeCodedLeavesNothing() throws {
    try withTemporaryFolder { folder in
      let half = QuantizationConfiguration(binaryCoding: try coding())
      expectError("'layer' does not fit half precision") {
        _ = try run(half, weight() * 1e6, in: folder)
      }
      var broken = weight()
      broken.withUnsafeMutableElements { $0[45] = .nan }
      expectError("row 1 of 'layer'") { _ = try run(half, broken, in: folder) }
      var mixed = QuantizationConfiguration(scheme: try uniform())
      mixed.method = .binaryCoding
      expectError("does not make codes of that scheme") { _ = try run(mixed, weight(), in: folder) }
      var rounded = half
      rounded.method = .roundToNearest
      expectError("does not make codes of that scheme") {
        _ = try run(rounded, weight(), in: folder)
      }
      let left = try FileManager.default.contentsOfDirectory(atPath: folder)
      #expect(left == ["source.safetensors"])
    }
  }
}
