import ModelSupport
import Quantization
import Support
import Tensor

/// What a `run` did: for people one table, for machines everything.
struct QuantizationSummary: Encodable {
  /// What happened to one matrix.
  struct Layer: Encodable {
    var name: String
    var shape: [Int]
    var bits: Int
    var meanSquaredError: ReportNumber
    var relativeError: ReportNumber
    var bytes: Int
    var sourceBytes: Int
  }

  /// A tensor that stayed as it was.
  struct Kept: Encodable {
    var name: String
    var shape: [Int]
    var storage: String
    var bytes: Int
  }

  var output: String
  var method: String
  var sourceMethod: String
  var bitsPerWeight: Double
  var bitsPerQuantizedWeight: Double
  var bytes: Int
  var sourceBytes: Int
  var parameters: Int
  var meanRelativeError: ReportNumber
  var configuration: QuantizationConfiguration
  var layers: [Layer]
  var kept: [Kept]
  var evaluations: [Evaluation]

  init(
    source: ModelFile,
    output: String,
    report: QuantizationReport,
    evaluations: [Evaluation]
  ) {
    self.output = output
    sourceMethod = source.method
    method = report.configuration.text
    bitsPerWeight = report.bitsPerWeight
    bitsPerQuantizedWeight = report.bitsPerQuantizedWeight
    bytes = report.byteCount
    sourceBytes = report.sourceByteCount
    parameters = report.parameterCount
    let total = report.layers.reduce(0) { $0 + $1.relativeError }
    meanRelativeError = ReportNumber(total / Double(report.layers.count))
    configuration = report.configuration
    layers = report.layers.map { layer in
      Layer(
        name: layer.name,
        shape: layer.shape.extents,
        bits: layer.scheme.bits,
        meanSquaredError: ReportNumber(layer.meanSquaredError),
        relativeError: ReportNumber(layer.relativeError),
        bytes: layer.byteCount,
        sourceBytes: layer.sourceByteCount
      )
    }
    kept = report.kept.map { tensor in
      Kept(
        name: tensor.name,
        shape: tensor.shape.extents,
        storage: tensor.storage,
        bytes: tensor.byteCount
      )
    }
    self.evaluations = evaluations
  }

  /// The source and the result side by side.
  var table: Table {
    var columns: [Table.Column] = [
      "", "method", .number("bits/weight"), .number("bytes"), .number("relative error"),
    ]
    if !evaluations.isEmpty {
      columns += [.number("perplexity"), .number("delta"), .number("KL"), .number("top-1")]
    }
    var table = Table(columns)
    let sourceBits = 8 * Double(sourceBytes) / Double(max(parameters, 1))
    let error = "\((100 * meanRelativeError.value).fixed(3))%"
    let before = ["before", sourceMethod, sourceBits.fixed(3), byteCount(sourceBytes), ""]
    let after = ["after", method, bitsPerWeight.fixed(3), byteCount(bytes), error]
    table.add(before + [evaluations.first?.perplexity.value.fixed(4) ?? ""])
    table.add(
      after + [
        evaluations.last?.perplexity.value.fixed(4) ?? "",
        evaluations.last?.delta?.value.signed(4) ?? "",
        evaluations.last?.klDivergence?.value.fixed(4) ?? "",
        evaluations.last?.topAgreement.map { "\((100 * $0.value).fixed(1))%" } ?? "",
      ]
    )
    return table
  }
}
