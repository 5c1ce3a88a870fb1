/// Why a model cannot be read, built or written.
public enum ModelError: Error, Equatable, CustomStringConvertible {
  /// The path leads to neither a model folder nor a model file.
  case notAModel(path: String, reason: String)
  /// The model's family is not one that this version builds.
  case unsupportedFamily(String, path: String, supported: [String])
  /// A setting is missing, of the wrong type or out of range.
  case invalidConfiguration(path: String, key: String, reason: String)
  /// The tokenizer and the model do not belong together.
  case tokenizerMismatch(path: String, reason: String)

  /// What is wrong, where, and what to do.
  public var description: String {
    switch self {
    case .notAModel(let path, let reason):
      "model: \(path) is not a model: \(reason)"
    case .unsupportedFamily(let family, let path, let supported):
      "model: \(path) is of the family '\(family)', which is not supported; "
        + "supported are \(supported.joined(separator: ", "))"
    case .invalidConfiguration(let path, let key, let reason):
      "model: \(path): '\(key)' \(reason)"
    case .tokenizerMismatch(let path, let reason):
      "model: \(path): tokenizer: \(reason)"
    }
  }
}
