public import Checkpoints
public import Tensor

/// Why a module could not take over a state, or exchange a layer.
public enum ModuleError: Error, Equatable {
  /// The state does not fit; nothing of it was taken over.
  case stateMismatch(StateMismatch)
  /// There is no module or layer at the path; `known` lists those that there are.
  case missingLayer(path: String, known: [String])
  /// The layer is there, but its owner does not publish it for exchange.
  case fixedLayer(path: String, owner: String)
  /// The new layer maps other widths than the one at the path; both as [outputs × inputs].
  case layerMismatch(path: String, expected: Shape, found: Shape)
  /// The file of the state cannot be read or written.
  case checkpoint(CheckpointError)
}

/// How a state differs from what a module holds.
public struct StateMismatch: Equatable, Sendable {
  /// A tensor whose shape is not the module's.
  public struct Difference: Equatable, Sendable {
    /// The parameter or buffer.
    public var name: String
    /// The shape in the module.
    public var expected: Shape
    /// The shape in the state.
    public var found: Shape

    /// A tensor and both shapes.
    public init(name: String, expected: Shape, found: Shape) {
      self.name = name
      self.expected = expected
      self.found = found
    }
  }

  /// Names of the module that the state lacks.
  public var missing: [String] = []
  /// Names of the state that the module lacks.
  public var unexpected: [String] = []
  /// Tensors of another shape.
  public var shapes: [Difference] = []
  /// All names of the module.
  public var known: [String] = []

  /// The differences found.
  public init(
    missing: [String] = [],
    unexpected: [String] = [],
    shapes: [Difference] = [],
    known: [String] = []
  ) {
    self.missing = missing
    self.unexpected = unexpected
    self.shapes = shapes
    self.known = known
  }

  var isEmpty: Bool { missing.isEmpty && unexpected.isEmpty && shapes.isEmpty }
}

extension ModuleError: CustomStringConvertible {
  /// The fault with names and shapes.
  public var description: String {
    switch self {
    case .stateMismatch(let mismatch): "load state: \(mismatch)"
    case .missingLayer(let path, let known):
      "layer: nothing to exchange at \(path.quotedForMessage), known: \(list(known))"
    case .fixedLayer(let path, let owner):
      "replace layer: \(path.quotedForMessage) is fixed; list it in \(owner).linearLayers or "
        + "\(owner).convolutionLayers as a key path to a variable property"
    case .layerMismatch(let path, let expected, let found):
      "replace layer: \(path.quotedForMessage) maps \(expected), the new one \(found)"
    case .checkpoint(let error): error.description
    }
  }
}

extension StateMismatch: CustomStringConvertible {
  /// All differences, and the names that would fit.
  public var description: String {
    var parts: [String] = []
    if !missing.isEmpty { parts.append("\(missing.count) missing: \(list(missing))") }
    if !unexpected.isEmpty { parts.append("\(unexpected.count) unexpected: \(list(unexpected))") }
    for shape in shapes.prefix(10) {
      parts.append(
        "\(shape.name.quotedForMessage) is \(shape.found), expected \(shape.expected)"
      )
    }
    if shapes.count > 10 { parts.append("and \(shapes.count - 10) more of another shape") }
    parts.append("known: \(list(known))")
    return parts.joined(separator: "; ")
  }
}

/// Names for a message: quoted, the first ten.
func list(_ names: [String]) -> String {
  guard !names.isEmpty else { return "none" }
  let shown = names.prefix(10).map(\.quotedForMessage).joined(separator: ", ")
  return names.count > 10 ? shown + " and \(names.count - 10) more" : shown
}
