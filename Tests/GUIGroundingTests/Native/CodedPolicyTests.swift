import Autograd
import Checkpoints
import Foundation
import GUIGrounding
import Tensor
import TestSupport
import Testing

/// Layers whose "codes" are half-precision weights: what another module makes, in small.
private struct HalfWeights: WeightSource {
  let file: NativePolicyFile

  func contains(_ name: String) -> Bool { file.contains(name) }

  func tensor(_ name: String, shape: Shape) throws -> Tensor<Float> {
    try file.tensor(name, shape: shape)
  }

  func linear(
    _ name: String,
    outputWidth: Int,
    inputWidth: Int,
    hasBias: Bool
  ) throws -> any LinearLayer {
    let weight = try file.tensors.tensor(named: name + ".weight_half", as: Float16.self)
    let bias = try tensor(name + ".bias", shape: [outputWidth])
    return FrozenLinear(weight: .float16(weight), bias: bias)
  }
}

/// Policies whose layers hold codes instead of floats.
@Suite struct CodedPolicyTests {
  private static let quantization: JSONObject = ["kind": "half", "version": 1]

  private func request(_ index: Int = 0) -> GroundingRequest {
    let page = SyntheticPage(index: index, seed: 3)
    return GroundingRequest(image: page.image, instruction: page.instruction.text)
  }

  private func codes(
    of policy: NativeGroundingPolicy,
    besides: Set<String> = []
  ) -> [PolicyLayerCodes] {
    policy.namedLinearLayers().filter { !besides.contains($0.name) }.map { name, layer in
      let rows = (0..<Int32(layer.outputWidth)).map { $0 }
      let weight = Tensor<Float16>(converting: layer.weightRows(rows))
      let type = SafetensorsType(ElementType.float16)
      let tensor = SafetensorsDeclaration(
        name: name + ".weight_half",
        type: type,
        shape: weight.shape
      )
      return PolicyLayerCodes(layer: name, tensors: [tensor]) { writer in
        try writer.write(weight, named: name + ".weight_half")
      }
    }
  }

  /// The policy with the same numbers in layers that are not trained.
  private func frozen(_ policy: NativeGroundingPolicy) throws -> NativeGroundingPolicy {
    let copy = policy.copy()
    for (name, layer) in copy.namedLinearLayers() {
      let layer = try #require(layer as? Linear)
      let other = FrozenLinear(weight: .float32(layer.weight.value), bias: layer.bias?.value)
      try copy.replaceLayer(at: name, with: other)
    }
    return copy
  }

  private static let variants: [NativePolicyConfiguration] = [
    NativePolicyConfiguration(width: 16, blockCount: 2),
    NativePolicyConfiguration(width: 16, blockCount: 1, instruction: .bytes()),
  ]

  @Test(arguments: variants)
  func everyLinearLayerCanBeReplaced(_ configuration: NativePolicyConfiguration) throws {
    var generator = Philox(seed: 1)
    let policy = NativeGroundingPolicy(configuration, using: &generator)
    let replaced = try frozen(policy)
    #expect(!policy.isQuantized && replaced.isQuantized)
    #expect(replaced.name == policy.name + ", quantized")
    let options = GroundingSampling(seed: 5)
    let expected = try policy.respond(to: request(), count: 6, options: options)
    #expect(try replaced.respond(to: request(), count: 6, options: options) == expected)
    let copy = replaced.frozenCopy()
    #expect(copy.isQuantized && copy.parameterCount.trainable == 0)
    #expect(try copy.respond(to: request(), count: 6, options: options) == expected)
  }

  @Test(arguments: variants)
  func filesBringCodesBack(_ configuration: NativePolicyConfiguration) throws {
    try withTemporaryFolder { folder in
      var generator = Philox(seed: 2)
      let policy = NativeGroundingPolicy(configuration, using: &generator)
      let path = folder + "/p.safetensors"
      let codes = codes(of: policy, besides: ["gates"])
      try policy.write(to: path, codes: codes, quantization: Self.quantization)
      let file = try NativePolicyFile(path: path)
      #expect(file.configuration == configuration && file.quantization == Self.quantization)
      #expect(file.contains("gates.weight") && !file.contains("head.weight"))
      let read = try NativeGroundingPolicy(file, layers: HalfWeights(file: file))
      #expect(read.isQuantized)
      for (name, layer) in policy.namedLinearLayers() where name != "gates" {
        let other = try #require(read.layer(at: name) as? FrozenLinear)
        let rows = (0..<Int32(layer.outputWidth)).map { $0 }
        expectClose(other.weightRows(rows), layer.weightRows(rows), relative: 1e-3, absolute: 1e-6)
      }
      #expect(try read.respond(to: request(), count: 3).count == 3)
      let error = #expect(throws: NativePolicyError.self) { try NativeGroundingPolicy(path: path) }
      #expect("\(try #require(error))".contains("quantized"))
      // Without a reader of the codes, the file's own layers are missing.
      #expect(throws: CheckpointError.self) { try NativeGroundingPolicy(file, layers: file) }
    }
  }

  @Test func filesInFullPrecisionNeedNoOtherSource() throws {
    try withTemporaryFolder { folder in
      let policy = smallPolicy()
      try policy.write(to: folder + "/p")
      let file = try NativePolicyFile(path: folder + "/p")
      #expect(file.quantization == nil)
      let read = try NativeGroundingPolicy(file, layers: file)
      #expect(read.state() == policy.state() && !read.isQuantized)
      let head = try #require(policy.layer(at: "head"))
      let (outputs, inputs) = (head.outputWidth, head.inputWidth)
      let layer = try file.linear("head", outputWidth: outputs, inputWidth: inputs, hasBias: true)
      #expect(layer.weightRows([1]) == head.weightRows([1]))
      #expect(throws: CheckpointError.self) {
        try file.linear("head", outputWidth: outputs + 1, inputWidth: inputs, hasBias: true)
      }
    }
  }

  @Test func codesAreWrittenByThoseWhoMadeThem() throws {
    try withTemporaryFolder { folder in
      let replaced = try frozen(smallPolicy())
      let error = #expect(throws: NativePolicyError.self) { try replaced.write(to: folder + "/p") }
      #expect("\(try #require(error))".contains("layers hold codes"))
      let unknown = PolicyLayerCodes(layer: "blocks.7.up", tensors: []) { _ in }
      let other = #expect(throws: NativePolicyError.self) {
        try smallPolicy().write(to: folder + "/q", codes: [unknown], quantization: [:])
      }
      #expect("\(try #require(other))".contains("blocks.7.up"))
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
    }
  }

  @Test func damagedFilesOfCodesAreRefused() throws {
    try withTemporaryFolder { folder in
      let policy = smallPolicy()
      try policy.write(to: folder + "/p", codes: codes(of: policy), quantization: [:])
      let file = try SafetensorsFile(path: folder + "/p")
      var header = file.metadata
      header["quantization"] = "no JSON"
      let empty: [String: Tensor<Float>] = ["a": .zeros([1])]
      try SafetensorsFile.write(empty, metadata: header, to: folder + "/q")
      #expect(throws: NativePolicyError.self) { try NativePolicyFile(path: folder + "/q") }
      // A configuration that the tensors cannot hold, however few bits a number has.
      header["quantization"] = "{}"
      try SafetensorsFile.write(empty, metadata: header, to: folder + "/r")
      let error = #expect(throws: NativePolicyError.self) {
        try NativePolicyFile(path: folder + "/r")
      }
      #expect("\(try #require(error))".contains("another size"))
    }
  }

  @Test func shortResponsesStopWithoutAnotherStep() throws {
    let policy = smallPolicy()
    let whole = try policy.respond(to: request(), count: 4, options: GroundingSampling(seed: 2))
    for count in 1...3 {
      let options = GroundingSampling(maxTokens: count, seed: 2)
      let short = try policy.respond(to: request(), count: 4, options: options)
      for (a, b) in zip(short, whole) {
        #expect(a.tokens == b.tokens.map { Array($0.prefix(count)) })
      }
    }
  }
}
