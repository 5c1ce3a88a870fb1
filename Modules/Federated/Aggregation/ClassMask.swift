import Tensor

/// Rows of the output layer count only for the devices that hold their class.
///
/// With few classes on each device, the rows of absent classes would only be pushed down; the other
/// half is the masked cross-entropy on the device (HeteroFL, section 3).
public struct ClassMask: Codable, Hashable, Sendable {
  /// The parameters whose row i belongs to class i.
  public let parameters: [String]

  /// A mask of the output layer of a network.
  public init(_ model: ModelDescription) { parameters = model.classParameters }

  /// A mask of given parameters.
  public init(parameters: [String]) { self.parameters = parameters }

  /// An update without the rows of classes that a device lacks.
  public func restricting(_ update: LiftedUpdate, to labels: Set<Int>) -> LiftedUpdate {
    var result = update
    for name in parameters {
      guard let part = update.delta[name], let coverage = update.coverage[name], part.rank > 0
      else { continue }
      let rows = AxisIndices(labels.filter { $0 >= 0 && $0 < part.shape[0] }, of: part.shape[0])
      let whole = part.shape.extents.dropFirst().map { AxisIndices(all: $0) }
      let inner = Coverage.box([rows] + whole)
      switch coverage {
      case .full:
        result.coverage[name] = inner
        result.delta[name] = inner.part(of: part)
      case .box(let axes):
        let kept = zip(axes, [rows] + whole).map { $0.selecting($1) }
        result.coverage[name] = .box(kept)
        result.delta[name] = inner.part(of: part)
      case .bits:
        let kept = coverage.intersection(inner, in: part.shape)
        result.coverage[name] = kept
        result.delta[name] = kept.part(of: part)
      }
    }
    return result
  }
}
