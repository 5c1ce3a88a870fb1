import Foundation
import ModelSupport
import Support
import Tensor

/// How many tokens a second a model reads or writes: one line of the table.
struct SpeedResult: Encodable {
  private enum CodingKeys: String, CodingKey {
    case model, method, bytes, parameters, exact, threads, kernels, test, depth, mean, deviation,
      rates
  }

  let model: String
  /// How the weights are stored.
  let method: String
  let bytes: Int
  let parameters: Int
  /// Whether it computes in floats.
  let exact: Bool
  let threads: Int
  /// The instruction set.
  let kernels: String
  /// `pp512` for a prompt of 512 tokens at once, `tg128` for 128 tokens one by one; `tg128 @ d4096` for such
  /// behind 4096 others.
  let test: String
  /// The tokens that stood before.
  let depth: Int
  /// Tokens a second of each run.
  var rates: [Double] = []

  init(
    _ variant: ModelVariant,
    _ settings: ModelArguments,
    tokens: Int,
    isPrompt: Bool,
    depth: Int
  ) {
    model = variant.name
    method = variant.file.method
    bytes = variant.file.byteCount
    parameters = variant.file.parameterCount
    exact = settings.computation.exact
    threads = WorkPool.threadCount
    kernels = WorkPool.instructionSet
    self.depth = depth
    test = (isPrompt ? "pp" : "tg") + "\(tokens)" + (depth > 0 ? " @ d\(depth)" : "")
  }

  private var spread: MeanAndDeviation? { MeanAndDeviation(rates) }
  /// The mean of the runs.
  var mean: Double { spread?.mean ?? 0 }
  /// The sample deviation of the runs; 0 for one, as llama-bench has it.
  var deviation: Double { spread?.deviation ?? 0 }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(model, forKey: .model)
    try container.encode(method, forKey: .method)
    try container.encode(bytes, forKey: .bytes)
    try container.encode(parameters, forKey: .parameters)
    try container.encode(exact, forKey: .exact)
    try container.encode(threads, forKey: .threads)
    try container.encode(kernels, forKey: .kernels)
    try container.encode(test, forKey: .test)
    try container.encode(depth, forKey: .depth)
    try container.encode(ReportNumber(mean), forKey: .mean)
    try container.encode(ReportNumber(deviation), forKey: .deviation)
    try container.encode(rates.map { ReportNumber($0) }, forKey: .rates)
  }

  /// The results in llama-bench's columns.
  static func table(_ results: [SpeedResult]) -> Table {
    var table = Table([
      "model", "weights", .number("size"), .number("params"), .number("threads"), .number("test"),
      .number("t/s"),
    ])
    for result in results {
      table.add(
        result.model,
        result.exact ? result.method + ", as floats" : result.method,
        byteCount(result.bytes),
        (Double(result.parameters) / 1e6).fixed(2) + " M",
        "\(result.threads)",
        result.test,
        "\(result.mean.fixed(2)) ± \(result.deviation.fixed(2))"
      )
    }
    return table
  }
}
