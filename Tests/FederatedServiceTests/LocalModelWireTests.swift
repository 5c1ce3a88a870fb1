import Crypto
import Federated
import Tensor
import Testing

@testable import FederatedService

@Suite struct LocalModelWireTests {
  static let plans: [DevicePlan] = {
    let (half, quarter) = (Rate(1, of: 2), Rate(1, of: 4))
    return [
      .full, .slice(quarter),
      DevicePlan(width: WidthPlan(half, pattern: .rolling, step: 3), round: 4),
      DevicePlan(width: WidthPlan(half, pattern: .random)),
      DevicePlan(mask: MaskPlan(density: quarter)),
      DevicePlan(width: WidthPlan(half), mask: MaskPlan(density: half)),
      DevicePlan(lowBit: LowBitPlan(bits: 4)),
      DevicePlan(lowBit: LowBitPlan(bits: 3, training: .scales)),
      DevicePlan(width: WidthPlan(half), lowBit: LowBitPlan(bits: 2, training: .adapter(rank: 2))),
      DevicePlan(rank: .fixed(3)), DevicePlan(update: UpdatePlan(topShare: quarter, bits: 8)),
    ]
  }()

  static let description = ModelDescription.mlp(widths: [13, 10, 7, 4])

  static func model(_ plan: DevicePlan) throws -> LocalModel {
    var generator = Philox(seed: 8)
    let global = ParameterSet(
      description.parameters.map {
        ($0.name, .normal(description.shape(of: $0), using: &generator))
      }
    )
    var compression = ComposedCompression(description)
    if plan.mask != nil { compression.maskReference = global }
    return try compression.compress(global, plan: plan, seed: 7)
  }

  @Test(arguments: plans) func modelsComeBackAsTheyWere(_ plan: DevicePlan) throws {
    let model = try Self.model(plan)
    let back = try LocalModel(decoding: model.encoded())
    #expect(back.parameters == model.parameters)
    #expect(back.plan == model.plan)
    #expect(back.slices == model.slices)
    #expect(back.coverage == model.coverage)
    #expect(back.masks == model.masks)
    #expect(back.globalShapes == model.globalShapes)
    #expect(UpdateLayout(back).fingerprint == UpdateLayout(model).fingerprint)
    for name in model.slices.names {
      #expect(try back.effective(name) == model.effective(name))
    }
    // What a device sends is lifted alike on both sides.
    let delta = model.parameters.mapValues { Tensor(repeating: 0.25, shape: $0.shape) }
    let update = ParameterUpdate(delta: delta, exampleCount: 3)
    #expect(try back.lifted(update).delta == model.lifted(update).delta)
  }

  @Test func aSliceIsSmallerThanTheModel() throws {
    let whole = try Self.model(.full).encoded().count
    let slice = try Self.model(.slice(Rate(1, of: 4))).encoded().count
    let scales = try Self.model(DevicePlan(lowBit: LowBitPlan(bits: 2, training: .scales)))
      .encoded()
    #expect(slice < whole)
    #expect(scales.count < whole)
  }

  /// Bytes that were changed, with a digest that fits: only the reader's own checks are left.
  @Test(arguments: plans) func damagedBytesAreRefused(_ plan: DevicePlan) throws {
    let bytes = Array(try Self.model(plan).encoded().dropLast(SHA256.byteCount))
    var generator = Philox(seed: 77)
    for trial in 0..<300 {
      var changed = bytes
      switch trial % 3 {
      case 0:
        changed[generator.integer(below: changed.count)] ^= UInt8(1 + generator.integer(below: 255))
      case 1: changed.removeLast(1 + generator.integer(below: changed.count))
      default:
        let place = generator.integer(below: min(changed.count, 600))
        changed[place] = UInt8(ascii: "9")
      }
      changed += Array(SHA256.hash(data: changed))
      // Some changes give another model; none may crash or run away.
      do throws(LocalModelEncodingError) { _ = try LocalModel(decoding: changed) } catch {
        #expect(!error.reason.isEmpty)
      }
    }
    var wrong = bytes + Array(SHA256.hash(data: bytes))
    wrong[20] ^= 1
    #expect(throws: LocalModelEncodingError.self) { try LocalModel(decoding: wrong) }
    #expect(throws: LocalModelEncodingError.self) { try LocalModel(decoding: []) }
  }
}
