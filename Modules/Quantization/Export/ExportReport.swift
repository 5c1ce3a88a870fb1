public import Tensor

/// What an export wrote, tensor by tensor.
public struct ExportReport: Codable, Hashable, Sendable {
  /// One tensor, or the packed parts of one layer.
  public struct Entry: Codable, Hashable, Sendable {
    /// The name in the file.
    public var name: String
    /// How it is stored: `Q4_K`, `F16`, `gptq 4 bits`.
    public var storage: String
    /// [N × K] of a matrix.
    public var shape: Shape
    /// The bytes in the file.
    public var byteCount: Int
    /// What was lost on the way; nil if every number is the same.
    public var loss: String?
  }

  /// The format: `GGUF`, `gptq_v2` and so on.
  public var format: String
  /// What was written.
  public var entries: [Entry] = []

  /// The bytes of all tensors.
  public var byteCount: Int { entries.reduce(0) { $0 + $1.byteCount } }
  /// Whether every number is the same as in the source.
  public var isExact: Bool { entries.allSatisfy { $0.loss == nil } }

  /// What was lost, each reason once, with the number of tensors.
  public var losses: [(reason: String, count: Int)] {
    var (order, counts): ([String], [String: Int]) = ([], [:])
    for loss in entries.compactMap(\.loss) {
      if counts[loss] == nil { order.append(loss) }
      counts[loss, default: 0] += 1
    }
    return order.map { ($0, counts[$0] ?? 0) }
  }
}

/// What an export does with step sizes that half precision does not hold.
public enum StepSizeRounding: Sendable {
  /// Refuses the layer.
  case refused
  /// Takes the nearest half-precision number and says so.
  case nearest
}

/// How far along an export is.
public struct ExportProgress: Sendable {
  /// The tensors finished so far.
  public var finished: Int
  /// All tensors.
  public var total: Int
  /// The tensor that comes next; nil at the end.
  public var current: String?
}

extension Tensor where Element == Float {
  /// The largest |h − x| / |x|, h the half-precision number nearest to x; infinite where one
  /// overflows.
  func halfPrecisionError() -> Float {
    let rounded = Tensor<Float16>(converting: self)
    var largest: Float = 0
    withUnsafeElements { values in
      rounded.withUnsafeElements { halves in
        for index in values.indices where Float(halves[index]) != values[index] {
          guard halves[index].isFinite else { return largest = .infinity }
          let change = (Float(halves[index]) - values[index]).magnitude
          largest = Swift.max(largest, change / values[index].magnitude)
        }
      }
    }
    return largest
  }
}

/// Checks that a format with half-precision numbers can hold a layer.
struct HalfPrecision {
  let format: String
  let rounding: StepSizeRounding

  /// What is lost when the step sizes of a layer are stored; throws if that may not be.
  func loss(
    ofSteps steps: Tensor<Float>,
    _ layer: String
  ) throws(QuantizationError) -> String? {
    let error = steps.halfPrecisionError()
    if error == 0 { return nil }
    guard error < 1 else {
      throw .inexportable(
        layer: layer,
        format: format,
        reason: "a step size lies outside half precision; quantize with --scale-type float16"
      )
    }
    guard rounding == .nearest else {
      throw .inexportable(
        layer: layer,
        format: format,
        reason:
          "its step sizes are no half-precision numbers (off by up to \(error)); quantize with "
          + "--scale-type float16, or round them with --round-scales"
      )
    }
    return "step sizes rounded to half precision"
  }

  /// What is lost when numbers are stored; throws where they overflow.
  func loss(
    of values: Tensor<Float>,
    _ name: String,
    because reason: String
  ) throws(QuantizationError) -> String? {
    let error = values.halfPrecisionError()
    guard error.isFinite, values.withUnsafeElements({ $0.allSatisfy { $0.isFinite } }) else {
      throw .inexportable(
        layer: name,
        format: format,
        reason: "a number lies outside half precision; GGUF can store it with --gguf-type f32"
      )
    }
    return error == 0 ? nil : reason
  }
}
