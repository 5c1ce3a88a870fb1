import Checkpoints
import Quantization
import Tensor
import TestSupport
import Testing

/// Codes, step sizes and zero points made with the official quantizers.
@Suite struct RoundToNearestFixtures {
  static let folder = "peqa-adadim"

  /// One grid of a fixture file: how it was made, and the prefix of its tensors.
  struct Case: Sendable, CustomTestStringConvertible {
    var prefix: String
    var bits: Int
    var group: Int
    var range: RangeEstimation
    var testDescription: String { "\(prefix) \(bits) bits, group \(group), \(range.rawValue)" }

    func scheme() throws -> WeightScheme {
      try WeightScheme(
        grid: QuantizationGrid(bits: bits),
        granularity: group < 0 ? .outputChannel : .inputGroups(group),
        range: range,
        scaleType: .float32
      )
    }
  }

  static func cases(of file: SafetensorsFile) throws -> [JSONValue] {
    let text = Array((file.metadata["case"] ?? "").utf8)
    let document = try text.withUnsafeBytes { try JSONValue.parse($0) }
    return document["cases"]?.arrayValue ?? []
  }

  static let peqa: [Case] = {
    guard let file = try? SafetensorsFile(path: Fixtures.file("\(folder)/peqa_grad.safetensors")),
      let cases = try? cases(of: file)
    else { return [] }
    return cases.compactMap { value in
      guard value["dim"]?.stringValue == "oc", let prefix = value["prefix"]?.stringValue,
        let bits = value["bits"]?.intValue, let group = value["group"]?.intValue,
        let range = value["init"]?.stringValue.flatMap(RangeEstimation.init(rawValue:))
      else { return nil }
      return Case(prefix: prefix, bits: bits, group: group, range: range)
    }
  }()

  @Test func casesAreThere() { #expect(Self.peqa.count >= 6) }

  @Test(arguments: peqa) func officialCodes(case item: Case) throws {
    let file = try SafetensorsFile(path: Fixtures.file("\(Self.folder)/peqa_grad.safetensors"))
    let weight = try file.tensor(named: item.prefix + "W")
    let matrix = try RoundToNearest(item.scheme()).quantize(weight).matrix
    let codes = try file.tensor(named: item.prefix + "codes", as: Int32.self)
    #expect(matrix.codes().elements.map(Int32.init) == codes.elements)
    let zeros = try file.tensor(named: item.prefix + "zero", as: Int32.self)
    #expect(matrix.zeroPoints?.elements.map(Int32.init) == zeros.elements)
    expectClose(
      matrix.stepSizes.elements,
      try file.tensor(named: item.prefix + "scale").elements,
      relative: 1e-6,
      absolute: 0
    )

    // The layer over these codes: y = x Ŵᵀ + b.
    let layer = PackedLinear(
      weight: matrix,
      bias: try file.tensor(named: item.prefix + "bias")
    )
    expectClose(
      layer(try file.tensor(named: item.prefix + "x")).elements,
      try file.tensor(named: item.prefix + "y").elements,
      relative: 1e-5,
      absolute: 1e-5
    )
  }
}
