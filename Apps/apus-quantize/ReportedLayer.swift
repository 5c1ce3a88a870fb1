import ModelSupport
import Quantization
import Support

/// A layer as the page shows it, however it was rounded.
struct ReportedLayer {
  var name: String
  /// The block that it lies in; nil for embedding and head.
  var depth: Int?
  var scheme: String
  var bytes: Int
  var relativeError: Double
  var relativeOutputError: Double?
  var movement: CodeMovement?
  var stepSizes: StepSizeStatistics?
  var histogram: WeightHistogram?
  var seconds: Double?

  init(
    _ layer: QuantizationSummary.Layer,
    _ detail: BlockReport.Layer?,
    _ direct: QuantizationReport.Layer?
  ) {
    name = layer.name
    depth = layer.name.split(separator: ".").lazy.compactMap { Int($0) }.first
    scheme = detail?.scheme.text ?? direct?.scheme.text ?? "\(layer.bits) bits"
    bytes = layer.bytes
    relativeError = layer.relativeError.value
    relativeOutputError = detail?.relativeOutputError
    movement = detail?.movement
    stepSizes = detail?.stepSizes ?? direct?.stepSizes
    histogram = detail?.histogram ?? direct?.histogram
    seconds = detail?.seconds ?? direct?.seconds
  }

  /// What it is in its block: `q_proj`.
  var kind: String { name.split(separator: ".").last.map(String.init) ?? name }
}
