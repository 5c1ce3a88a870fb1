import Tensor
import TestSupport
import Testing

@testable import Federated

@Suite struct UpdateTests {
  private static func local(_ update: UpdatePlan, round: Int = 0) throws -> LocalModel {
    let global = SampleModels.parameters(SampleModels.mlp, seed: 1)
    let plan = DevicePlan(
      width: WidthPlan(Rate(1, of: 2), pattern: .rolling, step: 3),
      mask: MaskPlan(density: Rate(1, of: 2)),
      update: update,
      round: round
    )
    return try ComposedCompression(SampleModels.mlp).compress(global, plan: plan, seed: 1)
  }

  static let plans = [32, 16, 8, 4, 2].flatMap { bits in
    [nil, Rate(1, of: 5)].map { UpdatePlan(topShare: $0, bits: bits) }
  }

  @Test(arguments: plans) func bytesGiveTheUpdateBack(plan: UpdatePlan) throws {
    let local = try Self.local(plan)
    let layout = UpdateLayout(local)
    #expect(layout.count == local.trainedCount)
    let change = SampleModels.change(local, seed: 3)
    let packed = PackedUpdate(try layout.flattened(change), layout: layout, plan: plan)
    let bytes = packed.encoded(layout)
    #expect(try PackedUpdate(decoding: bytes, layout: layout) == packed)
    let found = packed.unpacked(layout)
    try found.checkLayout(like: local.parameters)
    if plan.topShare == nil, plan.bits == 32 { #expect(found == change) }
    // The estimate of costs holds: the frame and the scales come on top.
    let scales = plan.bits < 16 ? 4 * layout.rowEnds(of: packed.indices).count : 0
    #expect(bytes.count <= plan.byteCount(of: layout.count) + scales + 26)
  }

  /// Any damage is told, and no bytes crash the reader.
  @Test(arguments: plans) func hostileBytesAreRefused(plan: UpdatePlan) throws {
    let local = try Self.local(plan)
    let layout = UpdateLayout(local)
    let change = try layout.flattened(SampleModels.change(local, seed: 3))
    let bytes = PackedUpdate(change, layout: layout, plan: plan).encoded(layout)
    for length in 0..<bytes.count {
      #expect(throws: UpdateEncodingError.self) {
        try PackedUpdate(decoding: Array(bytes[..<length]), layout: layout)
      }
    }
    // Changed bytes with a right sum: whatever is read must have the layout's size.
    var generator = Philox(seed: 4)
    for _ in 0..<2000 {
      var changed = Array(bytes.dropLast(8))
      for _ in 0..<(1 + generator.integer(below: 4)) {
        changed[generator.integer(below: changed.count)] = UInt8(generator.integer(below: 256))
      }
      var hash = WireHash()
      hash.add(changed)
      changed += (0..<8).map { UInt8(truncatingIfNeeded: hash.value >> UInt64(8 * $0)) }
      guard let read = try? PackedUpdate(decoding: changed, layout: layout) else { continue }
      let numbers = read.numbers(count: layout.count)
      #expect(numbers.count == layout.count && numbers.allSatisfy(\.isFinite))
    }
    let other = UpdateLayout(vector([1, 2, 3]))
    #expect(throws: UpdateEncodingError.self) { try PackedUpdate(decoding: bytes, layout: other) }
  }

  /// Σ sent + residual = Σ changes, in global coordinates, while the slice moves.
  @Test(arguments: plans) func errorFeedbackLosesNothing(plan: UpdatePlan) throws {
    let global = SampleModels.parameters(SampleModels.mlp, seed: 1)
    var compressor = UpdateCompressor()
    var generator = Philox(seed: 1)
    var (sent, changes) = (ParameterSet.zeros(like: global), ParameterSet.zeros(like: global))
    for round in 0..<6 {
      let local = try Self.local(plan, round: round)
      let layout = UpdateLayout(local)
      let change = SampleModels.change(local, seed: UInt64(round))
      let packed = try compressor.pack(change, of: local, using: &generator)
      for (delta, isSent) in [(packed.unpacked(layout), true), (change, false)] {
        let lifted = try local.lifted(ParameterUpdate(delta: delta, exampleCount: 1))
        let whole = lifted.expanded(like: global)
        if isSent { sent.add(whole) } else { changes.add(whole) }
      }
    }
    for (name, expected) in changes.entries {
      let rest = compressor.residual[name] ?? .zeros(expected.shape)
      expectClose(try sent.tensor(name) + rest, expected, absolute: 1e-5, name)
    }
    if plan.topShare != nil { #expect(compressor.residual.norm > 0.1) }
  }

  @Test func roundingByChanceKeepsTheMean() {
    let x = Tensor<Float>([0.3, -0.77, 1, 0.01])
    var (generator, sums) = (Philox(seed: 2), [Float](repeating: 0, count: 4))
    let draws = 4000
    for _ in 0..<draws {
      let uniforms = Tensor<Float>.uniform([4], using: &generator)
      let rows = QuantizedRows(x, bits: 2, uniforms: uniforms)
      for (index, value) in rows.dequantized().enumerated() { sums[index] += value }
    }
    // The deviation of a mean is at most 0.5 / √4000 = 0.008.
    expectClose(sums.map { $0 / Float(draws) }, x.elements, absolute: 0.025)
  }
}
