public import Autograd
public import Checkpoints
import Foundation
public import Tensor

/// The file of a native policy: what it says of itself, and its tensors.
///
///     let file = try NativePolicyFile(path: "run/policy.safetensors")
///     let policy = try NativeGroundingPolicy(file, layers: file)  // in full precision
///
/// Where `quantization` is not nil, some layers have codes in place of a weight, and another source of
/// layers has to read them: `QuantizedWeights` of the module Quantization, over `tensors`.
public struct NativePolicyFile {
  /// What the policy is made of.
  public let configuration: NativePolicyConfiguration
  /// How layers are quantized, in the words of whoever wrote their codes; nil for full precision.
  public let quantization: JSONObject?
  /// The tensors.
  public let tensors: Checkpoint

  /// The values of the header.
  static let (formatKey, format) = ("format", "apus-native-grounding-policy")
  static let (policyKey, quantizationKey) = ("policy", "quantization")

  /// The most numbers that a file may hold.
  private static let maximumParameterCount = 1_000_000_000

  /// Opens a file and checks what it says of itself.
  ///
  /// - Throws: `NativePolicyError.checkpoint`, `.malformed`.
  public init(path: String) throws(NativePolicyError) {
    do throws(CheckpointError) {
      tensors = try Checkpoint(path: path, mode: .inMemory)
    } catch { throw .checkpoint(error) }
    let header = tensors.metadata
    guard header[Self.formatKey] == Self.format, let text = header[Self.policyKey] else {
      throw .malformed(path: path, reason: "no native policy")
    }
    do {
      configuration = try JSONDecoder().decode(
        NativePolicyConfiguration.self,
        from: Data(text.utf8)
      )
    } catch {
      throw .malformed(path: path, reason: "a damaged configuration, \(error)")
    }
    if let flaw = configuration.flaw { throw .malformed(path: path, reason: flaw) }
    quantization = try header[Self.quantizationKey].map { text throws(NativePolicyError) in
      guard let document = (try? JSONValue.parse(text))?.objectValue else {
        throw .malformed(path: path, reason: "damaged settings of its codes")
      }
      return document
    }
    let stored = tensors.names.reduce(0) { $0 + Self.mostNumbers(in: tensors[$1]) }
    guard stored <= Self.maximumParameterCount, configuration.parameterEstimate <= 2 * stored else {
      throw .malformed(path: path, reason: "\(stored) numbers for a policy of another size")
    }
  }

  /// The most numbers that a tensor can stand for: words of codes hold one a bit.
  private static func mostNumbers(in entry: SafetensorsEntry?) -> Int {
    guard let entry, let count = entry.shape?.count else { return 0 }
    return entry.type == .int32 ? 32 * count : count
  }

  /// The path that was opened.
  public var path: String { tensors.path }
}

// MARK: - Layers in full precision

extension NativePolicyFile: WeightSource {
  /// Whether the file holds a tensor of that name.
  public func contains(_ name: String) -> Bool { tensors[name] != nil }

  /// A tensor of floats.
  ///
  /// - Throws: `CheckpointError` where it is missing or shaped otherwise.
  public func tensor(_ name: String, shape: Shape) throws -> Tensor<Float> {
    try tensors.tensor(named: name, shape: shape)
  }

  /// A dense layer.
  ///
  /// - Throws: `CheckpointError` where a tensor is missing or shaped otherwise.
  public func linear(
    _ name: String,
    outputWidth: Int,
    inputWidth: Int,
    hasBias: Bool
  ) throws -> any LinearLayer {
    let weight = try tensor(name + ".weight", shape: [outputWidth, inputWidth])
    let bias = hasBias ? try tensor(name + ".bias", shape: [outputWidth]) : nil
    return Linear(weight: Parameter(weight), bias: bias.map { Parameter($0) })
  }
}

extension NativePolicyConfiguration {
  /// About how many numbers a policy has, and never many more than it has.
  ///
  /// Checked before one is made, so that a damaged file cannot ask for memory.
  fileprivate var parameterEstimate: Int {
    let blocks = blockCount * 16 * width * width
    let stem = stemWidths[0] * 75 + stemWidths[0] * stemWidths[1] * 9
    let rest = (stemWidths[1] + width) * width * 9 + vocabulary.count * width
    return blocks + stem + rest + (gridWidth + gridHeight) * width
  }
}
