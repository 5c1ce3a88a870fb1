import Checkpoints
import Foundation
import Quantization
import Support

/// One model of a comparison: a scheme, a method and a seed.
struct ComparedModel {
  let scheme: NamedScheme
  let method: QuantizationConfiguration.Method
  let seed: UInt64

  /// The name of its folder: `w3g64-flexround-0`.
  var name: String { "\(scheme.name.lowercased())-\(method.rawValue)-\(seed)" }
}

/// What a comparison found about one model.
struct ComparedResult: Codable {
  var scheme: String
  var method: String
  var seed: UInt64
  /// What the numbers hold for: the settings, the model, both texts.
  var identity: String
  var bitsPerWeight: Double
  var bitsPerQuantizedWeight: Double
  var bytes: Int
  var meanRelativeError: Double
  /// The relative error of the states behind the last block, on the calibration set; nil without one.
  var stateError: Double?
  /// Seconds of quantization.
  var seconds: Double
  /// How many layers have groups of outputs.
  var outputGroupLayers: Int
  var perplexity: Double?
  var klDivergence: Double?
  var topAgreement: Double?
  /// The perplexity of the model in full precision.
  var referencePerplexity: Double?
  var tokens: Int?

  /// Reads the result in a folder; nil if there is none that holds for `identity`.
  static func read(_ folder: String, identity: String) -> ComparedResult? {
    guard let data = FileManager.default.contents(atPath: folder + "/result.json"),
      let result = try? JSONDecoder().decode(ComparedResult.self, from: data),
      result.identity == identity
    else { return nil }
    return result
  }

  /// Writes the result to a folder.
  func write(_ folder: String) throws {
    try AtomicFile.write(try jsonText(self) + "\n", to: folder + "/result.json")
  }
}

/// The results of one scheme and method over the seeds.
struct ComparedRow: Encodable {
  var scheme: String
  var method: String
  var seeds: Int
  var bitsPerQuantizedWeight: Double
  var bytes: Int
  var perplexity: MeanAndDeviation?
  var klDivergence: MeanAndDeviation?
  var topAgreement: MeanAndDeviation?
  var stateError: MeanAndDeviation?
  var outputGroupLayers: MeanAndDeviation?
  var seconds: MeanAndDeviation?

  init(_ results: [ComparedResult]) {
    scheme = results[0].scheme
    method = results[0].method
    seeds = results.count
    bitsPerQuantizedWeight = results[0].bitsPerQuantizedWeight
    bytes = results[0].bytes
    perplexity = MeanAndDeviation(results.compactMap(\.perplexity))
    klDivergence = MeanAndDeviation(results.compactMap(\.klDivergence))
    topAgreement = MeanAndDeviation(results.compactMap(\.topAgreement))
    stateError = MeanAndDeviation(results.compactMap(\.stateError))
    outputGroupLayers = MeanAndDeviation(results.map { Double($0.outputGroupLayers) })
    seconds = MeanAndDeviation(results.map(\.seconds))
  }
}

/// All results of a comparison.
struct Comparison: Encodable {
  var model: String
  var text: String
  var referencePerplexity: Double?
  var rows: [ComparedRow]
  var results: [ComparedResult]

  init(model: String, text: String, results: [ComparedResult]) {
    (self.model, self.text, self.results) = (model, text, results)
    referencePerplexity = results.compactMap(\.referencePerplexity).first
    var keys: [String] = []
    for result in results where !keys.contains(result.scheme + " " + result.method) {
      keys.append(result.scheme + " " + result.method)
    }
    rows = keys.map { key in
      ComparedRow(results.filter { $0.scheme + " " + $0.method == key })
    }
  }

  /// One row for each scheme and method, below the model in full precision.
  var table: Table {
    var table = Table([
      "scheme", "method", .number("bits/weight"), .number("bytes"), .number("perplexity"),
      .number("KL"), .number("top-1"), .number("state error"), .number("seconds"),
    ])
    table.add("", "full precision", "", "", referencePerplexity?.fixed(4) ?? "")
    for row in rows {
      table.add(
        row.scheme,
        row.method,
        row.bitsPerQuantizedWeight.fixed(3),
        byteCount(row.bytes),
        row.perplexity?.text(3) ?? "",
        row.klDivergence?.text(4) ?? "",
        row.topAgreement.map { "\((100 * $0.mean).fixed(1))%" } ?? "",
        row.stateError.map { "\((100 * $0.mean).fixed(2))%" } ?? "",
        row.seconds?.mean.fixed(0) ?? ""
      )
    }
    return table
  }
}
