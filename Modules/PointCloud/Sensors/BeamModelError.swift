public import Checkpoints

/// Why there is no beam model of a sensor.
public enum BeamModelError: Error, Equatable, Sendable {
  /// No sensor of this name is shipped.
  case unknownName(name: String, known: [String])
  /// The file of a sensor cannot be read or written, or is no JSON.
  case file(CheckpointError)
  /// The file of a sensor lacks an entry, or has one that is not understood.
  case malformed(path: String, key: String, reason: String)
  /// A sensor of such numbers cannot be.
  case invalid(name: String, property: String, reason: String)
  /// A scan does not show where the beams of its sensor point.
  case notEstimable(reason: String)
}

extension BeamModelError: CustomStringConvertible {
  /// The sensor or the file, what is wrong with it, and what would be right.
  public var description: String {
    switch self {
    case .unknownName(let name, let known):
      "beam model: no sensor is called \(name.debugDescription), known are "
        + known.joined(separator: ", ")
        + "; describe another one in a JSON file, or estimate it from a scan"
    case .file(let error): "beam model: \(error)"
    case .malformed(let path, let key, let reason): "beam model \(path), entry \(key): \(reason)"
    case .invalid(let name, let property, let reason):
      "beam model \(name.debugDescription), \(property): \(reason)"
    case .notEstimable(let reason): "beam model from a scan: \(reason)"
    }
  }
}
