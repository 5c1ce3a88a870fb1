import Checkpoints
public import Autograd
public import Tensor

/// A linear layer of frozen codes whose scales are all that a task changes.
public protocol ScaleTunedLinear: LinearLayer {
  /// The scales that are trained.
  var scales: Parameter { get }
  /// The scales that the layer began with.
  var initialScales: Tensor<Float> { get }
  /// b, or nil.
  var bias: Tensor<Float>? { get }
  /// The scales of several tasks, one of which may take the place of `scales`.
  var tasks: LayerTasks? { get set }

  /// x Ŵᵀ + b under given scales, of the shape of `scales`.
  func product(with input: Tensor<Float>, scales: Tensor<Float>) -> Tensor<Float>

  /// x Ŵᵀ + b where rows have scales of different tasks, from products that all of them share.
  ///
  /// - Parameters:
  ///   - input: x [R × K].
  ///   - scales: those of each task, of the shape of `scales`.
  ///   - members: the task of each row, an index of `scales` [R].
  /// - Returns: y [R × N]; nil where scales stand inside the sums.
  func sharedProduct(
    with input: Tensor<Float>,
    scales: [Tensor<Float>],
    members: [Int32]
  ) -> Tensor<Float>?

  /// Adds everything that training leaves as it is: codes, zero points, frozen scales.
  func hashFrozen(into digest: inout FrozenDigest)
}

extension ScaleTunedLinear {
  /// x Ŵᵀ + b by the scales of the task that is chosen, row by row where rows belong to several.
  func taskProduct(with input: Tensor<Float>) -> Tensor<Float> {
    let own = scales.value
    guard let tasks, tasks.choice.isMade else { return product(with: input, scales: own) }
    func chosen(_ task: String?) -> Tensor<Float> { task.flatMap { tasks.scales[$0] } ?? own }
    guard let rows = tasks.choice.rows else {
      return product(with: input, scales: chosen(tasks.choice.active))
    }
    let x = input.reshaped(to: [input.count / max(inputWidth, 1), inputWidth])
    expect(
      x.shape[0] == rows.count,
      "tasks: \(x.shape[0]) rows, but tasks for \(rows.count); one task for each row is needed"
    )
    var groups: [String?: [Int32]] = [:]
    for (row, task) in rows.enumerated() { groups[task, default: []].append(Int32(row)) }
    let order = groups.sorted { ($0.key ?? "") < ($1.key ?? "") }
    let scales = order.map { chosen($0.key) }
    guard order.count > 1 else { return product(with: input, scales: scales.first ?? own) }
    let shape = input.shape.replacingLast(with: outputWidth)
    var members = [Int32](repeating: 0, count: rows.count)
    for (task, group) in order.enumerated() {
      for row in group.value { members[Int(row)] = Int32(task) }
    }
    if let shared = sharedProduct(with: x, scales: scales, members: members) {
      return shared.reshaped(to: shape)
    }
    // Rows are gathered by task, so that each task's scales are read once.
    let parts = zip(order, scales).map { product(with: x.rows($0.value), scales: $1) }
    var places = [Int32](repeating: 0, count: rows.count)
    for (place, row) in order.flatMap(\.value).enumerated() { places[Int(row)] = Int32(place) }
    return Tensor.concatenating(parts, axis: 0).rows(places).reshaped(to: shape)
  }

  /// Nothing is shared unless a layer says how.
  public func sharedProduct(
    with input: Tensor<Float>,
    scales: [Tensor<Float>],
    members: [Int32]
  ) -> Tensor<Float>? { nil }
}

/// The scales of one layer for several tasks.
public struct LayerTasks {
  /// The scales of each task, by its name.
  public var scales: [String: Tensor<Float>]
  /// Which task computes; all layers of a model share it.
  let choice: TaskChoice
}

/// Which task a model's layers compute for.
final class TaskChoice {
  /// One for all rows; nil for the layers' own scales.
  var active: String?
  /// One for each row of what the layers read; nil where all rows have the same.
  var rows: [String?]?

  var isMade: Bool { active != nil || rows != nil }
}

/// A digest of what training leaves as it is.
public struct FrozenDigest {
  private var hash = ContentHash()

  /// A digest of nothing.
  public init() {}

  /// Adds bytes.
  public mutating func update(_ bytes: UnsafeRawBufferPointer) { hash.update(bytes) }

  /// Adds the elements as they lie in memory.
  public mutating func update<Element: TensorElement>(_ tensor: Tensor<Element>) {
    hash.update(tensor)
  }

  /// SHA-256 in hexadecimal.
  public var text: String { hash.digest() }
}
