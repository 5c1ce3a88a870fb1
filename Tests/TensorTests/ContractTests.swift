import Tensor
import Testing

/// A call that breaks a contract, and what the message must say.
enum BrokenContract: String, CaseIterable, Codable {
  case add, addInPlace, subtract, multiply, divide, gate
  case matmul, matmulTransposed, matmulVector, matmulBatches, accumulate
  case rmsNorm, linear, attention, attentionHeads, attentionMask, attentionFused, rotate
  case index, range, rows, weightRow, reshape, transpose, concatenate, scalarSoftmax
  case fill, item, axis, rank, negativeExtent, tooManyElements, bound

  /// Texts that the message must contain; both shapes, where two are involved.
  var message: [String] {
    switch self {
    case .add, .addInPlace: ["add: ", "[2×3]", "[3×2]"]
    case .subtract: ["subtract: ", "[2×3]", "[6]"]
    case .multiply: ["multiply: ", "[2×3]", "[2×3×1]"]
    case .divide: ["divide: ", "[2×3]", "[2×2]"]
    case .gate: ["gate: ", "[2×3]", "[4×5]"]
    case .matmul: ["matmul: inner extents differ", "[2×3] · [4×5]"]
    case .matmulTransposed: ["matmul: inner extents differ", "[2×3]ᵀ · [4×5]ᵀ"]
    case .matmulVector: ["matmul: inner extents differ", "[2×3] · [4]"]
    case .matmulBatches: ["matmul: batches do not broadcast", "[2×1×3] · [4×3×1]"]
    case .accumulate: ["accumulate product: ", "[2×3]ᵀ · [2×4]", "[4×3]"]
    case .rmsNorm: ["rms norm: ", "[2×3] · [4]"]
    case .linear: ["linear: ", "[2×3] · [4×5]ᵀ"]
    case .attention: ["attention: ", "[2×6]", "[4×8×3]"]
    case .attentionHeads: ["attention: 3 heads are no multiple of 2", "[1×3×4×5]", "[1×2×4×5]"]
    case .attentionMask: ["attention: the mask does not fit", "[4×3]", "[1×3×4×4]"]
    case .attentionFused: ["attention: 2 and twice 1 heads do not fill [1×3×10]"]
    case .rotate: ["rotate: the tables do not fit", "[1×3×4×4]", "[4×2]"]
    case .index: ["subscript: index 2 of [2×3]"]
    case .range: ["subscript: range 1..<4 of [2×3]"]
    case .rows: ["take: index 7 of [2×3], expected 0 ..< 2"]
    case .weightRow: ["rows: index -1 of [2×3]"]
    case .reshape: ["reshape: ", "[2×3]", "6", "[4×2]", "8"]
    case .transpose: ["transpose: a matrix is needed, found [3]"]
    case .concatenate: ["concatenate: ", "[2×3] · [2×4]"]
    case .scalarSoftmax: ["softmax: a scalar has no last axis"]
    case .fill: ["tensor: 5 elements do not fill [2×3], which holds 6"]
    case .item: ["item: [2×3] holds 6 elements"]
    case .axis: ["shape: axis -3 of [2×3]"]
    case .rank: ["shape: 7 dimensions, at most 6"]
    case .negativeExtent: ["shape: negative extent in [2, -3]"]
    case .tooManyElements: ["shape: too many elements in [4611686018427387904, 4]"]
    case .bound: ["random: a bound of 0"]
    }
  }

  func commit() {
    let x = Tensor<Float>.zeros([2, 3])
    switch self {
    case .add: _ = x + .zeros([3, 2])
    case .addInPlace:
      var sum = x
      sum += .zeros([3, 2])
    case .subtract: _ = x - .zeros([6])
    case .multiply: _ = x * .zeros([2, 3, 1])
    case .divide: _ = x / .zeros([2, 2])
    case .gate: _ = x.gated(.silu, by: .zeros([4, 5]))
    case .matmul: _ = x.matmul(.zeros([4, 5]))
    case .matmulTransposed:
      _ = x.matmul(.zeros([4, 5]), transposingSelf: true, transposingOther: true)
    case .matmulVector: _ = x.matmul(.zeros([4]))
    case .matmulBatches: _ = x.reshaped(to: [2, 1, 3]).matmul(.zeros([4, 3, 1]))
    case .accumulate:
      var sum = Tensor<Float>.zeros([4, 3])
      sum.accumulateProduct(x, .zeros([2, 4]), transposingLeft: true)
    case .rmsNorm: _ = x.rmsNormalized(weight: .zeros([4]), epsilon: 0)
    case .linear: _ = WeightMatrix.float32(.zeros([4, 5])).product(with: x)
    case .attentionHeads:
      _ = Tensor.attention(
        queries: .zeros([1, 3, 4, 5]),
        keys: .zeros([1, 2, 4, 5]),
        values: .zeros([1, 2, 4, 5])
      )
    case .attentionMask:
      let heads = Tensor<Float>.zeros([1, 3, 4, 5])
      let mask = AttentionMask(pairs: .bias(.zeros([4, 3])))
      _ = Tensor.attention(
        queries: heads,
        keys: heads,
        values: heads,
        options: AttentionOptions(mask: mask)
      )
    case .attentionFused:
      _ = AttentionInput(fused: .zeros([1, 3, 10]), headCount: 2, keyHeadCount: 1)
    case .rotate:
      let table = Tensor<Float>.zeros([4, 2])
      _ = Tensor<Float>.zeros([1, 3, 4, 4]).rotated(cosines: table, sines: table)
    case .attention:
      let keys = Tensor<Float>.zeros([4, 8, 3])
      _ = Tensor<Float>.zeros([2, 6]).attending(to: keys, keys, firstPosition: 0, scale: 1)
    default: commitToElements(x)
    }
  }

  private func commitToElements(_ x: Tensor<Float>) {
    switch self {
    case .index: _ = x[2]
    case .range: _ = x[1..<4]
    case .rows: _ = x.rows([0, 7])
    case .weightRow: _ = WeightMatrix.float32(x).rows([-1])
    case .reshape: _ = x.reshaped(to: [4, 2])
    case .transpose: _ = Tensor<Float>.zeros([3]).transposed()
    case .concatenate: _ = Tensor.concatenating([x, .zeros([2, 4])])
    case .scalarSoftmax: _ = Tensor<Float>(scalar: 1).softmax()
    case .fill: _ = Tensor<Float>([1, 2, 3, 4, 5], shape: [2, 3])
    case .item: _ = x.item
    case .axis: _ = x.shape[-3]
    case .rank: _ = Shape([1, 1, 1, 1, 1, 1, 1])
    case .negativeExtent: _ = Shape([2, -3])
    case .tooManyElements: _ = Shape([1 << 62, 4])
    case .bound:
      var generator = Philox(seed: 0)
      _ = generator.integer(below: 0)
    default: break
    }
  }
}

@Suite struct ContractTests {
  @Test(arguments: BrokenContract.allCases)
  func stopsWithAMessageThatShowsTheShapes(broken: BrokenContract) async throws {
    let result = try await #require(
      processExitsWith: .failure,
      observing: [\.standardErrorContent]
    ) { [broken = broken as BrokenContract] in
      broken.commit()
    }
    let text = String(decoding: result.standardErrorContent, as: UTF8.self)
    for part in broken.message {
      #expect(text.contains(part), "the message was: \(text)")
    }
  }
}
