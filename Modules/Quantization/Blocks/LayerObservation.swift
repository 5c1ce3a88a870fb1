import Autograd
import Tensor

/// A linear layer that shows what it reads, or stands in for one whose result nobody needs.
private final class ObservedLinear: LinearLayer {
  let base: any LinearLayer
  /// Sees the inputs; nil for a stand-in.
  let observe: ((Tensor<Float>) -> Void)?
  /// Whether the result is computed, or zeros are given in its place.
  let computes: Bool

  init(_ base: any LinearLayer, computes: Bool, observe: ((Tensor<Float>) -> Void)?) {
    (self.base, self.observe, self.computes) = (base, observe, computes)
  }

  var inputWidth: Int { base.inputWidth }
  var outputWidth: Int { base.outputWidth }

  func callAsFunction(_ input: Tensor<Float>) -> Tensor<Float> {
    observe?(input)
    if computes { return base(input) }
    return .zeros(Shape(Array(input.shape.extents.dropLast()) + [outputWidth]))
  }

  func callAsFunction(_ input: Variable) -> Variable { Variable(self(input.value)) }

  func weightRows(_ indices: [Int32]) -> Tensor<Float> { base.weightRows(indices) }
}

/// What the linear layers of a block read, found by running it.
///
/// - Complexity: a forward pass over the part of the block that the observed layers depend on.
struct LayerObservation {
  let block: any StackedBlock
  let batchSize: Int

  /// The layers in the order of their calls; those that read the same tensor stand together.
  ///
  /// - Parameter sample: states of one sample [1 × …].
  /// - Returns: the paths, stage by stage; layers that are never called are left out.
  /// - Throws: `ModuleError` if the block does not let its layers be replaced.
  func stages(_ sample: Tensor<Float>) throws -> [[String]] {
    var calls: [(path: String, input: Tensor<Float>)] = []
    let layers = block.namedLinearLayers()
    try withLayers(layers.map(\.name), computes: { _ in true }) { path, input in
      calls.append((path, input))
    } body: {
      withoutGradients { _ = block(Variable(sample)) }
    }
    var stages: [(address: UInt, paths: [String])] = []
    for (path, input) in calls {
      // All inputs are alive, so no two share an address.
      let address = input.withUnsafeElements { UInt(bitPattern: $0.baseAddress) }
      if let last = stages.indices.last, stages[last].address == address {
        if !stages[last].paths.contains(path) { stages[last].paths.append(path) }
      } else {
        stages.append((address, [path]))
      }
    }
    return stages.map(\.paths)
  }

  /// Shows the inputs of some layers for all states.
  ///
  /// - Parameters:
  ///   - paths: the layers.
  ///   - skipped: layers whose results are not needed; zeros take their place.
  ///   - states: what the block reads, [S × …].
  ///   - visit: sees the path and the inputs of one batch, [samples × … × K].
  /// - Throws: `ModuleError` if the block does not let its layers be replaced.
  func run(
    _ paths: [String],
    skipping skipped: Set<String> = [],
    over states: Tensor<Float>,
    visit: (_ path: String, _ inputs: Tensor<Float>) -> Void
  ) throws {
    for start in stride(from: 0, to: states.shape[0], by: batchSize) {
      let batch = states[start..<min(start + batchSize, states.shape[0])]
      let count = batch.shape[0]
      try withLayers(paths, others: skipped, computes: { !skipped.contains($0) }) { path, input in
        let width = input.shape[-1]
        visit(path, input.reshaped(to: [count, input.count / (count * width), width]))
      } body: {
        withoutGradients { _ = block(Variable(batch)) }
      }
    }
  }

  private func withLayers(
    _ observed: [String],
    others: Set<String> = [],
    computes: (String) -> Bool,
    visit: (_ path: String, _ input: Tensor<Float>) -> Void,
    body: () -> Void
  ) throws {
    let layers = block.namedLinearLayers().filter {
      observed.contains($0.name) || others.contains($0.name)
    }
    try withoutActuallyEscaping(visit) { visit in
      for (path, layer) in layers {
        try block.replaceLayer(
          at: path,
          with: ObservedLinear(
            layer,
            computes: computes(path),
            observe: observed.contains(path) ? { visit(path, $0) } : nil
          )
        )
      }
      body()
      // Whoever holds the observers lets them go here.
      for (path, layer) in layers { try block.replaceLayer(at: path, with: layer) }
    }
  }
}
