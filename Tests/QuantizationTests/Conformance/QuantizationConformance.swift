import Autograd
import Checkpoints
import Quantization
import Tensor
import TestSupport
import Testing

/// Start, rounding and gradients of FlexRound and LRQ as the authors' code computes them: every case
/// that the files hold.
@Suite struct QuantizationConformance {
  static let starts = FixtureCase.flexRound("quant_init")
  static let linear = FixtureCase.flexRound("flexround_grads")
  static let convolutions = FixtureCase.flexRound("conv_flexround")
  static let lowRank = FixtureCase.flexRound("lrq_grads")

  @Test func filesHoldCases() {
    #expect(!Self.starts.isEmpty && !Self.linear.isEmpty)
    #expect(!Self.convolutions.isEmpty && !Self.lowRank.isEmpty)
  }

  @Test(arguments: starts) func start(item: FixtureCase) throws {
    let scheme = try item.scheme()
    let matrix = try RoundToNearest(scheme).quantize(item.tensor("weight")).matrix
    expectClose(
      matrix.stepSizes.elements,
      try item.tensor("scale").elements,
      relative: 1e-5,
      "scale"
    )
    let middle = scheme.grid.isSymmetric ? Int32(scheme.grid.middleCode) : 0
    if let zeros = matrix.zeroPoints {
      #expect(zeros.elements.map { Int32($0) } == (try item.integers("zero_point").elements))
    }
    let ties = try item.integers("tie_mask").elements
    let codes = matrix.codes().elements.map { Int32($0) - middle }
    let expected = try item.integers("code").elements
    for index in ties.indices {
      let allowed: Int32 = ties[index] == 0 ? 0 : 1
      #expect(abs(codes[index] - expected[index]) <= allowed, "code \(index)")
    }
    let values = try item.tensor("dequant")
    let bound = 1e-6 * values.abs().max()
    for (index, (found, wanted)) in zip(matrix.dequantized().elements, values.elements).enumerated()
    where ties[index] == 0 {
      #expect(abs(found - wanted) <= max(bound, 1e-12), "value \(index)")
    }
  }

  @Test(arguments: linear, StepParameterization.allCases)
  func flexRound(item: FixtureCase, parameterization: StepParameterization) throws {
    let rounding = try FlexRound(
      item.tensor("weight"),
      scheme: item.scheme(),
      configuration: FlexRound.Configuration(parameterization: parameterization)
    )
    try set(rounding, item)
    try check(rounding, item, gradients(of: rounding))
  }

  @Test(arguments: convolutions, StepParameterization.allCases)
  func flexRoundOfConvolutions(
    item: FixtureCase,
    parameterization: StepParameterization
  ) throws {
    let rounding = try FlexRound(
      item.tensor("weight"),
      scheme: item.scheme(),
      configuration: FlexRound.Configuration(parameterization: parameterization)
    )
    try set(rounding, item)
    try check(rounding, item, gradients(of: rounding))
  }

  @Test(arguments: lowRank, StepParameterization.allCases)
  func lrq(item: FixtureCase, parameterization: StepParameterization) throws {
    var generator = Philox(seed: 1)
    let rounding = try LRQ(
      item.tensor("weight"),
      rank: item.int("rank"),
      scheme: item.scheme(),
      configuration: LRQ.Configuration(parameterization: parameterization),
      using: &generator
    )
    try set(rounding, item)
    var gradients: [(String, Parameter)] = [("log_s1", rounding.logStep)]
    gradients += [("L", rounding.left), ("U", rounding.right)]
    gradients += [("r", try #require(rounding.row)), ("c", try #require(rounding.column))]
    try check(rounding, item, gradients)
    if item.values["at"]?.stringValue == "initial point" {
      #expect(rounding.right.gradient?.abs().max() == 0)
    }
  }

  private func gradients(of rounding: FlexRound) -> [(String, Parameter)] {
    [
      ("log_s1", rounding.logStep), ("log_s2", rounding.logScale),
      ("log_s3", rounding.logRowScale), ("log_s4", rounding.logInputScale),
    ].compactMap { name, parameter in parameter.map { (name, $0) } }
  }

  /// Values, codes and gradients; dLoss/ds = dLoss/dlog s / s for the plain scales.
  private func check(
    _ rounding: any LearnedRounding,
    _ item: FixtureCase,
    _ parameters: [(String, Parameter)]
  ) throws {
    let value = rounding()
    expectNear(value.value, try item.tensor("dequant"), ofLargest: 1e-6, "dequant")
    let codes = rounding.quantized().codes().elements.map { Int32($0) }
    let middle = try item.bool("symmetric") ? Int32(1) << Int32(item.int("bits") - 1) : 0
    #expect(codes.map { $0 - middle } == (try item.integers("code").elements))

    let upstream = try item.tensor("upstream")
    let loss: Variable
    if try item.has("input") {
      let output = Autograd.linear(Variable(try item.tensor("input")), weight: value)
      loss = Reconstruction.loss(output, target: try item.tensor("target"))
    } else {
      loss = (value * Variable(upstream)).sum()
    }
    expectClose([loss.item], try item.tensor("loss").elements, relative: 1e-5, absolute: 1e-5)
    loss.backward()
    for (name, parameter) in parameters {
      let found = try #require(parameter.gradient, "no gradient of \(name)")
      let expected = try item.tensor("grad_" + name)
      expectNear(found, expected, ofLargest: 2e-5, "gradient of \(name)")
      let plain = name.replacing("log_", with: "")
      guard plain != name, try item.has("grad_" + plain) else { continue }
      let scale = try item.tensor(name).exp().reshaped(to: found.shape)
      expectNear(
        found / scale,
        try item.tensor("grad_" + plain),
        ofLargest: 2e-5,
        "gradient of \(plain)"
      )
    }
  }
}

/// Gives a rounding the parameters of a case: those that it has, by the names of the files.
func set(_ rounding: any LearnedRounding, _ item: FixtureCase, _ group: String = "") throws {
  for (name, parameter) in parameters(of: rounding) {
    let value = try item.tensor(group + name).reshaped(to: parameter.shape)
    parameter.value = name == "log_s1" ? value - logStepOffset(of: rounding) : value
  }
}

/// The parameters of a rounding by the names of the files.
func parameters(of rounding: any LearnedRounding) -> [(name: String, parameter: Parameter)] {
  let names = [
    "logStep": "log_s1", "logScale": "log_s2", "logRowScale": "log_s3", "logInputScale": "log_s4",
    "left": "L", "right": "U", "row": "r", "column": "c",
  ]
  return rounding.namedParameters().compactMap { entry in
    names[entry.name].map { ($0, entry.parameter) }
  }
}

/// log s₁ − d₁: what a relative d₁ counts from.
func logStepOffset(of rounding: any LearnedRounding) -> Tensor<Float> {
  let start = rounding.startingStepSizes
  return rounding.parameterization == .relative ? start.log() : .zeros(start.shape)
}
