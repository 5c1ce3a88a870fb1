public import Autograd
public import Checkpoints

/// Why a native policy cannot be read, written or asked.
public enum NativePolicyError: Error {
  /// The instruction has not exactly one colour and one shape, which is all that the policy knows.
  case instruction(String)
  /// The instruction has no bytes.
  case emptyInstruction
  /// The file cannot be read or written.
  case checkpoint(CheckpointError)
  /// The file is not one of a native policy, or is damaged.
  case malformed(path: String, reason: String)
  /// The file holds codes, which a module for quantization reads.
  case quantized(path: String)
  /// These layers of the policy hold codes, which are written by whoever made them.
  case codedLayers([String])
  /// The weights do not fit the configuration beside them.
  case weights(path: String, ModuleError)
}

extension NativePolicyError: CustomStringConvertible {
  /// The instruction or the file, and the reason.
  public var description: String {
    switch self {
    case .instruction(let text):
      "instruction \(text.prefix(80).debugDescription): exactly one color "
        + "(\(SyntheticColor.allCases.map(\.rawValue).joined(separator: " "))) and one shape "
        + "(\(SyntheticShape.allCases.map(\.rawValue).joined(separator: " "))) are needed"
    case .emptyInstruction: "instruction: a text with at least one byte is needed"
    case .checkpoint(let error): "\(error)"
    case .malformed(let path, let reason):
      "\(path): \(reason); a file that 'NativeGroundingPolicy.write' has written is needed"
    case .quantized(let path):
      "\(path): the layers of this policy are quantized; a policy in full precision is needed"
    case .codedLayers(let names):
      "write a policy: \(names.count) layers hold codes (\(names.prefix(3).joined(separator: ", "))…); "
        + "their codes are needed"
    case .weights(let path, let error): "\(path): \(error)"
    }
  }
}
