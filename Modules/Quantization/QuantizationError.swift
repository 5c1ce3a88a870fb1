/// Why something cannot be quantized, or a quantized model cannot be read.
public enum QuantizationError: Error, Equatable, CustomStringConvertible {
  /// The bits, the group size or another part of the scheme is out of range.
  case invalidScheme(String)
  /// A weight is NaN or infinite, or so large that its range overflows.
  case notFinite(layer: String, row: Int)
  /// A method was to round a layer without the calibration inputs that it needs.
  case missingCalibration(layer: String)
  /// The calibration set has no samples.
  case emptyCalibration
  /// A work folder holds another run, or something else.
  case foreignWork(path: String, reason: String)
  /// The calibration inputs of a layer hold NaN or infinite values.
  case notFiniteInputs(layer: String)
  /// The states of a calibration sample are NaN or infinite behind a part of the model.
  case notFiniteStates(place: String, sample: Int)
  /// The quantization settings of a model folder cannot be understood.
  case invalidConfiguration(path: String, reason: String)
  /// A packed tensor is missing or does not fit its configuration.
  case invalidTensor(String, path: String, reason: String)
  /// The model names a layer that its checkpoint does not hold.
  case missingLayer(String, path: String)
  /// A format has no exact place for a layer; the reason says what to do.
  case inexportable(layer: String, format: String, reason: String)
  /// The caller asked to stop.
  case cancelled

  /// What is wrong, where, and what to do.
  public var description: String {
    switch self {
    case .invalidScheme(let reason):
      "quantize: \(reason)"
    case .notFinite(let layer, let row):
      "quantize: row \(row) of '\(layer)' holds NaN, infinite or overflowing weights; repair the "
        + "checkpoint (weights above 10⁵ need step sizes in float32)"
    case .missingCalibration(let layer):
      "quantize: '\(layer)' has no calibration inputs; the method needs them"
    case .emptyCalibration:
      "quantize: the calibration set is empty; give at least one sample"
    case .foreignWork(let path, let reason):
      "quantize: the work folder \(path) \(reason)"
    case .notFiniteInputs(let layer):
      "quantize: the calibration inputs of '\(layer)' hold NaN or infinite values; look for the "
        + "layer before it that overflows"
    case .notFiniteStates(let place, let sample):
      "quantize: calibration sample \(sample) gives NaN or infinite states behind \(place); look "
        + "for NaN or very large numbers in its norms, biases and embeddings"
    case .invalidConfiguration(let path, let reason):
      "quantized model: \(path): \(reason)"
    case .invalidTensor(let name, let path, let reason):
      "quantized model: \(path): tensor '\(name)' \(reason)"
    case .missingLayer(let name, let path):
      "quantize: \(path) holds no layer '\(name)'"
    case .inexportable(let layer, let format, let reason):
      "export: \(format) cannot hold '\(layer)': \(reason)"
    case .cancelled:
      "quantize: stopped before the end, nothing was written"
    }
  }
}
