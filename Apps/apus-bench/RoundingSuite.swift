import Autograd
import Checkpoints
import Quantization
import Tensor

extension Suite {
  /// The methods that round weights.
  static let quantization = Suite(
    name: "quantization",
    summary: "learned rounding forward and back, searches of ranges, GPTQ"
  ) { run in
    try RoundingSuite(run: run).measure()
  }
}

struct RoundingSuite {
  let run: BenchRun

  func measure() throws {
    try measureLearnedRounding()
    try measureSearch()
    try measureGPTQ()
    try measureBlock()
  }

  private func random(_ shape: Shape) -> Tensor<Float> {
    var generator = Philox(seed: 0)
    return .normal(shape, deviation: 0.02, using: &generator)
  }

  private func scheme(_ range: RangeEstimation = .minMax) throws -> WeightScheme {
    try WeightScheme(
      grid: QuantizationGrid(bits: 4),
      granularity: .outputChannel,
      range: range,
      scaleType: .float32
    )
  }

  func peer(_ name: String, _ arguments: JSONObject) -> JSONObject {
    var result: JSONObject = ["kind": "rounding", "name": .string(name)]
    for (key, value) in arguments { result[key] = value }
    return result
  }
}

// MARK: - Methods

extension RoundingSuite {
  private func measureLearnedRounding() throws {
    run.startGroup("rounding, forward and back")
    for (rows, columns) in [(1024, 1024), (4096, 1024)] {
      let (weight, gradient) = (random([rows, columns]), random([rows, columns]))
      let size: JSONObject = ["rows": .integer(Int64(rows)), "columns": .integer(Int64(columns))]
      func measure(_ name: String, _ case: JSONObject, _ rounding: any LearnedRounding) throws {
        let parameters = rounding.parameters()
        try run.measure(
          BenchCase(
            name: "\(name) \(rows)×\(columns)",
            metric: .microseconds,
            peer: `case`
          ) {
            rounding().backward(from: gradient)
            for parameter in parameters { parameter.clearGradient() }
          }
        )
      }
      try measure("FlexRound", peer("flexround", size), FlexRound(weight, scheme: scheme()))
      var generator = Philox(seed: 1)
      var low = size
      low["rank"] = 256
      try measure(
        "LRQ of rank 256",
        peer("lrq", low),
        LRQ(weight, rank: 256, scheme: scheme(), using: &generator)
      )
    }
  }

  private func measureSearch() throws {
    run.startGroup("ranges")
    let weight = random([256, 1024])
    for (range, name) in [
      (RangeEstimation.minMax, "min-max"), (.meanSquaredError, "80 fractions"),
      (.flexRoundSearch, "100 fractions × 16 zero points"),
    ] {
      let rounding = try RoundToNearest(scheme(range))
      try run.measure(
        BenchCase(
          name: "256×1024, \(name)",
          metric: .microseconds,
          peer: range == .minMax
            ? nil : peer(range.rawValue, ["rows": 256, "columns": 1024])
        ) {
          _ = try? rounding.quantize(weight)
        }
      )
    }
  }

  private func measureGPTQ() throws {
    run.startGroup("GPTQ")
    for width in [512, 1024] {
      let (weight, inputs) = (random([width, width]), random([2048, width]))
      let size: JSONObject = ["width": .integer(Int64(width))]
      try run.measure(
        BenchCase(
          name: "H of 2048 rows, width \(width)",
          metric: .flops(2 * 2048 * Double(width * width)),
          peer: peer("hessian", size)
        ) {
          _ = CalibrationHessian(inputs)
        }
      )
      let hessian = CalibrationHessian(inputs)
      let scheme = try scheme()
      try run.measure(
        BenchCase(
          name: "\(width)×\(width), rows",
          metric: .microseconds,
          peer: peer("gptq", size)
        ) {
          _ = try? GPTQ().quantize(weight, hessian: hessian, scheme: scheme)
        }
      )
    }
  }
}
