import Autograd
import Checkpoints
import Quantization
import Tensor
import TestSupport
import Testing

extension QuantizationConformance {
  /// GPTQ as the official code rounds: every case of `gptq`, and both layouts of `adadim_linear`.
  @Suite struct GPTQCases {
    static let all = FixtureCase.adaDim("gptq")
    static let cases = all.filter { $0.values["actorder"] != nil && !$0.values.has("dead_channel") }
    static let dead = all.filter { $0.values.has("dead_channel") }
    static let baselines = all.filter { $0.values["rtn_baseline"]?.boolValue == true }

    @Test func filesHoldCases() {
      #expect(!Self.cases.isEmpty)
      #expect(Self.cases.count + Self.dead.count + Self.baselines.count == Self.all.count)
    }

    /// The weight, the inputs and H, which all cases of a file share.
    func shared(_ item: FixtureCase) -> FixtureCase {
      FixtureCase(path: item.path, prefix: "", values: item.values)
    }

    func scheme(_ item: FixtureCase) throws -> WeightScheme {
      let group = try item.int("group")
      return try WeightScheme(
        grid: QuantizationGrid(bits: item.int("bits"), isSymmetric: item.bool("sym")),
        granularity: group < 0 ? .outputChannel : .inputGroups(group),
        scaleType: .float32
      )
    }

    func method(_ item: FixtureCase) throws -> GPTQ {
      GPTQ(
        order: item.bool("actorder") ? .activation : .natural,
        groupGrids: item.bool("static_groups") ? .fixed : .blockStart,
        blockSize: item.values["blocksize"]?.intValue ?? 128,
        damping: item.values["percdamp"]?.doubleValue ?? 0.01
      )
    }

    @Test func hessian() throws {
      let item = try #require(Self.all.first.map(shared))
      let hessian = CalibrationHessian(try item.tensor("X"))
      let expected = try item.tensor("H")
      let found = Tensor(hessian.matrix.elements.map { Float($0) }, shape: expected.shape)
      expectNear(found, expected, ofLargest: 1e-5, "H")
    }

    @Test(arguments: cases) func codes(item: FixtureCase) throws {
      let file = shared(item)
      let (weight, inputs) = (try file.tensor("W"), try file.tensor("X"))
      let hessian = CalibrationHessian(inputs)
      let result = try method(item).quantize(weight, hessian: hessian, scheme: scheme(item))
      try compare(result.matrix, item)
      #expect(!result.report.isRoundedToNearest && result.report.retries == 0)
      expectClose([result.report.loss], [try item.number("official_loss")], relative: 1e-3)
      let moved = inputs.matmul(result.matrix.dequantized() - weight, transposingOther: true)
      expectClose([Double(moved.square().sum())], [try item.number("out_sqerr")], relative: 1e-4)
      if try item.has("perm"), let order = result.matrix.inputOrder {
        #expect(order.elements == (try item.integers("perm").elements))
      }
      // Where a block is no larger than a group, weights of the block's start are the fresh ones.
      let group = try item.int("group")
      if group >= (try item.int("blocksize")), !item.bool("static_groups") {
        var fresh = try method(item)
        fresh.groupGrids = .fresh
        fresh.blockSize = 128
        try compare(fresh.quantize(weight, hessian: hessian, scheme: scheme(item)).matrix, item)
      }
    }

    private func compare(_ matrix: QuantizedMatrix, _ item: FixtureCase) throws {
      let codes = try item.integers("codes")
      #expect(matrix.codes().elements.map { Int32($0) } == codes.elements)
      let grids = matrix.expandedGrids()
      #expect(
        grids.zeroPoints.elements.map { Int32($0) } == (try item.integers("colzero").elements)
      )
      expectClose(grids.stepSizes, try item.tensor("colscale"), relative: 1e-6)
    }

    @Test(arguments: dead) func inputsThatAreNeverThere(item: FixtureCase) throws {
      let file = shared(item)
      let (weight, channel) = (try file.tensor("W"), try item.int("dead_channel"))
      var inputs = try file.tensor("X")
      let width = inputs.shape[1]
      inputs.withUnsafeMutableElements { elements in
        for row in 0..<elements.count / width { elements[row * width + channel] = 0 }
      }
      let result = try method(item).quantize(
        weight,
        hessian: CalibrationHessian(inputs),
        scheme: scheme(item)
      )
      #expect(result.report.deadInputCount == 1)
      let codes = try item.integers("codes")
      #expect(result.matrix.codes().elements.map { Int32($0) } == codes.elements)
      expectNear(result.matrix.dequantized(), try item.tensor("dequant"), ofLargest: 1e-6, "values")
      expectClose([result.report.loss], [try item.number("official_loss")], relative: 1e-3)
    }

    @Test(arguments: baselines) func roundToNearest(item: FixtureCase) throws {
      let file = shared(item)
      let (weight, inputs) = (try file.tensor("W"), try file.tensor("X"))
      let matrix = try RoundToNearest(scheme(item)).quantize(weight).matrix
      let moved = inputs.matmul(matrix.dequantized() - weight, transposingOther: true)
      expectClose([Double(moved.square().sum())], [try item.number("out_sqerr")], relative: 1e-4)
    }
  }
}

extension JSONValue {
  fileprivate func has(_ key: String) -> Bool { self[key] != nil }
}
