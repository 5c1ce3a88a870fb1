import Autograd
import Foundation
import Tensor
import TestSupport
import Testing

@Suite struct MultiHeadAttentionTests {
  private func layer(
    _ configuration: MultiHeadAttention.Configuration
  ) -> MultiHeadAttention {
    var generator = Philox(seed: 1)
    return MultiHeadAttention(configuration, using: &generator)
  }

  @Test func parametersHaveTorchsNamesAndStart() {
    let attention = layer(.init(width: 48, headCount: 6, keyHeadCount: 2))
    #expect(
      attention.state().mapValues(\.shape) == [
        "q_proj.weight": [48, 48], "q_proj.bias": [48], "k_proj.weight": [16, 48],
        "k_proj.bias": [16], "v_proj.weight": [16, 48], "v_proj.bias": [16],
        "out_proj.weight": [48, 48], "out_proj.bias": [48],
      ]
    )
    // √(6 / (48 + 48 + 2 · 16)) for the three stacked ones, 1 / √48 for the last.
    for (name, bound) in [("q_proj", 0.21651), ("v_proj", 0.21651), ("out_proj", 0.14434)] {
      let largest = attention.state()[name + ".weight"]?.abs().max() ?? 0
      #expect(largest <= Float(bound) * 1.0001 && largest > Float(bound) * 0.95, "\(name)")
    }
    #expect(attention.state()["q_proj.bias"] == .zeros([48]))
    let plain = layer(.init(width: 8, headCount: 2, hasBias: false))
    #expect(plain.parameterCount.total == 4 * 64)
  }

  @Test func laterPositionsDoNotChangeEarlierResults() {
    let attention = layer(.init(width: 12, headCount: 3, isCausal: true))
    var generator = Philox(seed: 2)
    let x = Tensor<Float>.normal([1, 6, 12], using: &generator)
    let other = Tensor<Float>.normal([2, 12], using: &generator)
    let changed = Tensor(Array(x.elements[..<48]) + other.elements, shape: x.shape)
    let (a, b) = (attention(x)[0], attention(changed)[0])
    for row in 0..<4 { expectClose(a[row], b[row], relative: 1e-5, absolute: 1e-6) }
    #expect(a[4] != b[4])
  }

  @Test func keyLengthsAreMasksOfKeys() {
    let attention = layer(.init(width: 6, headCount: 2))
    var generator = Philox(seed: 3)
    let x = Variable(Tensor<Float>.normal([2, 4, 6], using: &generator))
    let kept = Tensor<Bool>(
      [true, true, true, true, true, true, false, false],
      shape: [2, 1, 1, 4]
    )
    expectClose(
      attention(x, mask: AttentionMask(keyLengths: [4, 2])).value,
      attention(x, mask: AttentionMask(pairs: .allowed(kept))).value,
      relative: 1e-5,
      absolute: 1e-6
    )
  }

  @Test func rotaryPositionsAreRelative() {
    let rotary = RotaryEmbedding(headWidth: 4, base: 10_000)
    let attention = layer(.init(width: 8, headCount: 2, isCausal: true, rotary: rotary))
    var generator = Philox(seed: 4)
    let x = Tensor<Float>.normal([1, 7, 8], using: &generator)
    let suffix = Tensor(Array(x.elements[40...]), shape: [1, 2, 8])
    let whole = attention(x)[0]
    // The last two queries stand at the last two keys.
    let part = attention(Variable(suffix), context: Variable(x)).value[0]
    expectClose(part[0], whole[5], relative: 1e-4, absolute: 1e-5)
    expectClose(part[1], whole[6], relative: 1e-4, absolute: 1e-5)
    expectClose(attention(x)[0], whole)
  }

  @Test func projectionsAreReplacedByTheirPaths() throws {
    let inner = layer(.init(width: 8, headCount: 2))
    let model = Sequential(Flatten(from: 0, through: 0), Sequential(inner))
    let names = model.namedLinearLayers().map(\.name)
    #expect(names == ["q_proj", "k_proj", "v_proj", "out_proj"].map { "1.0." + $0 })
    let frozen = FrozenLinear(weight: .float32(.zeros([8, 8])))
    try model.replaceLayer(at: "1.0.v_proj", with: frozen)
    #expect(inner.value as? FrozenLinear === frozen)
    #expect(!model.namedParameters().contains { $0.name.hasPrefix("1.0.v_proj") })
    #expect(model(Tensor<Float>.ones([1, 2, 8])) == .zeros([1, 2, 8]))
  }

  @Test func aConfigurationRoundTripsThroughJSON() throws {
    let plain = MultiHeadAttention.Configuration(width: 12, headCount: 3)
    #expect(plain.keyHeadCount == 3 && plain.headWidth == 4 && plain.contextWidth == 12)
    #expect(!plain.isCausal && plain.hasBias && plain.rotary == nil)
    var rotated = plain
    rotated.rotary = RotaryEmbedding(headWidth: 4, base: 500, scaling: .linear(factor: 2))
    let decoded = try JSONDecoder().decode(
      MultiHeadAttention.Configuration.self,
      from: try JSONEncoder().encode(rotated)
    )
    #expect(decoded == rotated && decoded != plain)
  }

  @Test func aContextOfAnotherWidthStops() async throws {
    let result = try #require(
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        var generator = Philox(seed: 1)
        let attention = MultiHeadAttention(.init(width: 6, headCount: 2), using: &generator)
        _ = attention(Variable(.ones([2, 3, 6])), context: Variable(.ones([2, 3, 5])))
      }
    )
    let text = String(decoding: result.standardErrorContent, as: UTF8.self)
    #expect(text.contains("multi-head attention: shapes do not fit"))
    #expect(text.contains("\(Shape([2, 3, 6])) · \(Shape([2, 3, 5]))"))
  }

  @Test func headsThatDoNotDivideTheWidthStop() async throws {
    let result = try #require(
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        _ = MultiHeadAttention.Configuration(width: 10, headCount: 3)
      }
    )
    let text = String(decoding: result.standardErrorContent, as: UTF8.self)
    #expect(text.contains("multi-head attention: 3 heads do not divide a width of 10"))
  }
}
