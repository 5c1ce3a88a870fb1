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
  /// The mean and the standard deviation (divisor n − 1) over seeds.
  struct Spread: Encodable {
    var mean: Double
    var deviation: Double

    init?(_ values: [Double?]) {
      let values = values.compactMap { $0 }
      guard !values.isEmpty else { return nil }
      let count = Double(values.count)
      let mean = values.reduce(0, +) / count
      let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
      self.mean = mean
      deviation = count > 1 ? (squares / (count - 1)).squareRoot() : 0
    }

    /// `12.345 ± 0.012`; without the deviation of a single value.
    func text(_ digits: Int, isSingle: Bool) -> String {
      mean.fixed(digits) + (isSingle ? "" : " ± \(deviation.fixed(digits))")
    }
  }

  var scheme: String
  var method: String
  var seeds: Int
  var bitsPerQuantizedWeight: Double
  var bytes: Int
  var perplexity: Spread?
  var klDivergence: Spread?
  var topAgreement: Spread?
  var stateError: Spread?
  var outputGroupLayers: Spread?
  var seconds: Spread?

  init(_ results: [ComparedResult]) {
    scheme = results[0].scheme
    method = results[0].method
    seeds = results.count
    bitsPerQuantizedWeight = results[0].bitsPerQuantizedWeight
    bytes = results[0].bytes
    perplexity = Spread(results.map(\.perplexity))
    klDivergence = Spread(results.map(\.klDivergence))
    topAgreement = Spread(results.map(\.topAgreement))
    stateError = Spread(results.map(\.stateError))
    outputGroupLayers = Spread(results.map { Double($0.outputGroupLayers) })
    seconds = Spread(results.map(\.seconds))
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
      let isSingle = row.seeds == 1
      table.add(
        row.scheme,
        row.method,
        row.bitsPerQuantizedWeight.fixed(3),
        byteCount(row.bytes),
        row.perplexity?.text(3, isSingle: isSingle) ?? "",
        row.klDivergence?.text(4, isSingle: isSingle) ?? "",
        row.topAgreement.map { "\((100 * $0.mean).fixed(1))%" } ?? "",
        row.stateError.map { "\((100 * $0.mean).fixed(2))%" } ?? "",
        row.seconds?.mean.fixed(0) ?? ""
      )
    }
    return table
  }
}
