public import Tensor

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// What became of one block.
public struct BlockReport: Codable, Hashable, Sendable {
  /// What became of one layer.
  public struct Layer: Codable, Hashable, Sendable {
    /// The name in the checkpoint, without ".weight".
    public var name: String
    /// [N × K] or [O × I × kH × kW].
    public var shape: Shape
    /// What it was rounded to, in the layout that was chosen.
    public var scheme: WeightScheme
    /// The mean of (ŵ − w)².
    public var meanSquaredError: Double
    /// `meanSquaredError` over the mean of w²; 0 for a matrix of zeros.
    public var relativeError: Double
    /// The mean of (X Wᵀ − X Ŵᵀ)² over the mean of (X Wᵀ)² on the calibration inputs that the layer reads
    /// behind the quantized ones in front of it: of all samples where the method looked at them, of the
    /// first 32 for learned rounding; nil for others.
    public var relativeOutputError: Double?
    /// The errors of AdaDim's candidates by the name of the layout.
    public var candidateErrors: [String: Double]?
    /// GPTQ's report.
    public var gptq: GPTQ.Report?
    /// How the step sizes are spread.
    public var stepSizes: StepSizeStatistics
    /// How weights and codes lie beside those of round-to-nearest.
    public var movement: CodeMovement
    /// How the weights are spread, before and after.
    public var histogram: WeightHistogram
    /// The bytes of codes, step sizes and zero points.
    public var byteCount: Int
    /// Seconds that the rounding took; for learned rounding those of the block, in equal parts.
    public var seconds: Double
  }

  /// The number of the block.
  public var block: Int
  /// Its layers in execution order.
  public var layers: [Layer] = []
  /// The mean of (x̂ − x)² over the states behind the block: x̂ of the quantized blocks up to here, x of
  /// the original ones.
  public var meanSquaredError = 0.0
  /// `meanSquaredError` over the mean of x².
  public var relativeError = 0.0
  /// How learned rounding went; nil for other methods.
  public var reconstruction: ReconstructionReport?
  /// What the errors of `reconstruction` are in.
  public var loss = BlockQuantizerSettings.LastBlockLoss.squaredError
  /// Seconds that the block took.
  public var seconds = 0.0
}

extension BlockReport {
  /// JSON; the losses of a training that diverged are no numbers, and stay what they are.
  var text: String {
    get throws {
      let encoder = JSONEncoder()
      encoder.outputFormatting = .sortedKeys
      encoder.nonConformingFloatEncodingStrategy = .convertToString(
        positiveInfinity: "Infinity",
        negativeInfinity: "-Infinity",
        nan: "NaN"
      )
      return String(decoding: try encoder.encode(self), as: UTF8.self)
    }
  }

  /// The report that was written as `text`; nil if it was not.
  init?(text: String) {
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "Infinity",
      negativeInfinity: "-Infinity",
      nan: "NaN"
    )
    guard let report = try? decoder.decode(BlockReport.self, from: Data(text.utf8)) else {
      return nil
    }
    self = report
  }
}
