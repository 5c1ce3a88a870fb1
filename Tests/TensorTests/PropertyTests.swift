import Tensor
import TestSupport
import Testing

/// Laws that hold for all inputs: linearity, associativity, permutations, adjoint pairs.
@Suite struct PropertyTests {
  /// Seeds of the inputs; each draws other extents too.
  static let seeds: [UInt64] = [1, 2, 3, 4, 5, 6, 7, 8]

  private struct Draw {
    var generator: Philox

    init(_ seed: UInt64) { generator = Philox(seed: seed) }

    mutating func extent(_ range: ClosedRange<Int>) -> Int {
      range.lowerBound + generator.integer(below: range.count)
    }

    mutating func tensor(_ shape: Shape) -> Tensor<Float> { .normal(shape, using: &generator) }
  }

  /// f(a·x + b·y) = a·f(x) + b·f(y).
  private func expectLinear(
    _ name: String,
    _ x: Tensor<Float>,
    _ y: Tensor<Float>,
    _ function: (Tensor<Float>) -> Tensor<Float>
  ) {
    let (a, b): (Float, Float) = (0.75, -1.5)
    let expected = a * function(x) + b * function(y)
    expectClose(function(a * x + b * y), expected, absolute: 2e-5 * scale(expected), name)
  }

  private func scale(_ x: Tensor<Float>) -> Float { x.count == 0 ? 1 : max(x.abs().max(), 1) }

  @Test(arguments: seeds)
  func linearOperationsAreLinear(seed: UInt64) {
    var draw = Draw(seed)
    let (m, n, k) = (draw.extent(0...40), draw.extent(1...40), draw.extent(1...70))
    let (x, y, right) = (draw.tensor([m, k]), draw.tensor([m, k]), draw.tensor([k, n]))
    expectLinear("matmul", x, y) { $0.matmul(right) }
    expectLinear("linear", x, y) { $0.linear(weight: right.transposed(), bias: nil) }
    expectLinear("transposed", x, y) { $0.transposed() }
    expectLinear("sum", x, y) { $0.sum(axes: 0) }
    expectLinear("mean", x, y) { $0.mean(axes: 1) }
    expectLinear("running sums", x, y) { $0.cumulativeSum(axis: 1) }
    let ids = Tensor<Int32>.integers([m], in: 0..<5, using: &draw.generator)
    expectLinear("segments", x, y) { $0.segmentSum(ids, count: 5) }
  }

  @Test(arguments: seeds)
  func convolutionsAreLinearAndAdjointToTheirTransposes(seed: UInt64) {
    var draw = Draw(seed)
    let groups = draw.extent(1...2)
    let (inputs, outputs) = (groups * draw.extent(1...3), groups * draw.extent(1...3))
    let kernel = (draw.extent(1...4), draw.extent(1...4))
    let options = ConvolutionOptions(
      stride: PlaneExtent(height: draw.extent(1...2), width: draw.extent(1...3)),
      padding: PlaneExtent(height: draw.extent(0...2), width: draw.extent(0...1)),
      dilation: PlaneExtent(height: draw.extent(1...2), width: 1),
      groups: groups
    )
    let shape: Shape = [2, inputs, draw.extent(8...13), draw.extent(8...13)]
    let weight = draw.tensor([outputs, inputs / groups, kernel.0, kernel.1])
    let (x, other) = (draw.tensor(shape), draw.tensor(shape))
    expectLinear("conv2d", x, other) { conv2d($0, weight: weight, options: options) }
    let y = conv2d(x, weight: weight, options: options)
    // ⟨W x, u⟩ = ⟨x, Wᵀ u⟩; what a stride leaves over at the end has no part in either.
    let u = draw.tensor(y.shape)
    let small = convTranspose2d(u, weight: weight, options: options)
    let back = convTranspose2d(
      u,
      weight: weight,
      options: options,
      outputPadding: PlaneExtent(
        height: shape[2] - small.shape[2],
        width: shape[3] - small.shape[3]
      )
    )
    #expect(back.shape == shape)
    let (left, right) = ((y * u).sum(), (x * back).sum())
    #expect(abs(left - right) <= 1e-5 * (y * u).abs().sum())
  }

  @Test(arguments: seeds)
  func productsAreAssociative(seed: UInt64) {
    var draw = Draw(seed)
    let extents = (0..<4).map { _ in draw.extent(1...60) }
    let a = draw.tensor([extents[0], extents[1]])
    let b = draw.tensor([extents[1], extents[2]])
    let c = draw.tensor([extents[2], extents[3]])
    let (left, right) = (a.matmul(b).matmul(c), a.matmul(b.matmul(c)))
    expectClose(left, right, absolute: 2e-5 * scale(left), "matmul")
    let transposed = c.transposed().matmul(b.transposed()).matmul(a.transposed())
    expectClose(transposed.transposed(), left, absolute: 2e-5 * scale(left), "transposed")
  }

  @Test(arguments: seeds)
  func permutationsOfRowsGoThrough(seed: UInt64) {
    var draw = Draw(seed)
    let (rows, width) = (draw.extent(1...50), draw.extent(1...50))
    let x = draw.tensor([rows, width])
    let order = Tensor<Int32>.permutation(rows, using: &draw.generator)
    let moved = x.taking(order, axis: 0)
    for (name, function) in Self.rowFunctions {
      let expected = function(x).taking(order, axis: 0)
      expectClose(function(moved), expected, relative: 2e-6, absolute: 2e-6, name)
    }
    // What looks at all rows does not see their order.
    #expect(moved.sorted(axis: 0) == x.sorted(axis: 0))
    #expect(moved.max(axes: 0) == x.max(axes: 0))
    expectClose(moved.sum(axes: 0), x.sum(axes: 0), absolute: 1e-5 * Float(rows), "sum")
  }

  /// Functions of each row by itself; the last bit may depend on where a vector begins.
  private static let rowFunctions: [(String, @Sendable (Tensor<Float>) -> Tensor<Float>)] = [
    ("softmax", { $0.softmax() }), ("logSoftmax", { $0.logSoftmax() }),
    ("layer norm", { $0.layerNormalized() }), ("rms norm", { $0.rmsNormalized() }),
    ("sorted", { $0.sorted() }), ("logSumExp", { $0.logSumExp(axes: [1]) }),
    ("sum", { $0.sum(axes: 1) }), ("gelu", { $0.gelu() }),
    ("running sums", { $0.cumulativeSum(axis: 1) }),
  ]

  @Test(arguments: seeds)
  func rearrangingIsUndone(seed: UInt64) {
    var draw = Draw(seed)
    let shape = Shape((0..<draw.extent(1...4)).map { _ in draw.extent(0...6) })
    let x = draw.tensor(shape)
    let axes = Tensor<Int32>.permutation(shape.rank, using: &draw.generator).elements.map(Int.init)
    let inverse = axes.indices.sorted { axes[$0] < axes[$1] }
    #expect(x.permuted(axes).permuted(inverse) == x)
    #expect(x.flipped(axes).flipped(axes) == x)
    let shift = draw.extent(-7...7)
    #expect(x.rolled(by: shift, axis: 0).rolled(by: -shift, axis: 0) == x)
    let parts = x.split(sizes: [shape[0] / 2, shape[0] - shape[0] / 2])
    #expect(Tensor.concatenating(parts) == x)
    #expect(x.gathered(x.argSorted(), axis: -1) == x.sorted())
  }

  @Test(arguments: seeds)
  func softmaxIgnoresAConstantAndAddsUpToOne(seed: UInt64) {
    var draw = Draw(seed)
    let x = draw.tensor([draw.extent(1...9), draw.extent(1...300)])
    let y = x.softmax()
    expectClose((x + 8).softmax(), y, absolute: 1e-6, "a constant")
    expectClose(y.sum(axes: 1), .ones([x.shape[0]]), absolute: 1e-6, "the sum")
    expectClose(x.logSoftmax().exp(), y, absolute: 1e-6, "the logarithm")
  }
}
