public import Tensor

/// What a quantization did, layer by layer and in all.
public struct QuantizationReport: Codable, Hashable, Sendable {
  /// One quantized matrix.
  public struct Layer: Codable, Hashable, Sendable {
    /// The name in the checkpoint, without ".weight".
    public var name: String
    /// [N × K].
    public var shape: Shape
    /// What it was rounded to.
    public var scheme: LayerScheme
    /// The mean of (ŵ − w)².
    public var meanSquaredError: Double
    /// `meanSquaredError` over the mean of w²; 0 for a matrix of zeros.
    public var relativeError: Double
    /// The bytes of codes, scales and zero points.
    public var byteCount: Int
    /// The bytes of the matrix in the source.
    public var sourceByteCount: Int
    /// Seconds that it took.
    public var seconds: Double
    /// How the step sizes, or the scales of binary planes, are spread.
    public var stepSizes: StepSizeStatistics?
    /// How the weights are spread, before and after.
    public var histogram: WeightHistogram?
  }

  /// A tensor that was kept in floating point.
  public struct Kept: Codable, Hashable, Sendable {
    /// The name in the checkpoint.
    public var name: String
    /// The extents.
    public var shape: Shape
    /// How it is stored now.
    public var storage: String
    /// The bytes that it takes now.
    public var byteCount: Int
    /// The bytes in the source.
    public var sourceByteCount: Int
  }

  /// The settings.
  public var configuration: QuantizationConfiguration
  /// The quantized matrices in execution order.
  public var layers: [Layer] = []
  /// The tensors that stayed in floating point.
  public var kept: [Kept] = []

  /// The numbers that the model consists of.
  public var parameterCount: Int {
    layers.reduce(0) { $0 + $1.shape.count } + kept.reduce(0) { $0 + $1.shape.count }
  }
  /// The bytes of all tensors now.
  public var byteCount: Int {
    layers.reduce(0) { $0 + $1.byteCount } + kept.reduce(0) { $0 + $1.byteCount }
  }
  /// The bytes of all tensors in the source.
  public var sourceByteCount: Int {
    layers.reduce(0) { $0 + $1.sourceByteCount } + kept.reduce(0) { $0 + $1.sourceByteCount }
  }
  /// Bits per number over the whole model, scales and kept tensors included.
  public var bitsPerWeight: Double { 8 * Double(byteCount) / Double(max(parameterCount, 1)) }
  /// Bits per number over the quantized matrices, scales and zero points included.
  public var bitsPerQuantizedWeight: Double {
    let bytes = layers.reduce(0) { $0 + $1.byteCount }
    return 8 * Double(bytes) / Double(max(layers.reduce(0) { $0 + $1.shape.count }, 1))
  }
}
