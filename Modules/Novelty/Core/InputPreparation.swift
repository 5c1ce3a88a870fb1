import Tensor

/// How samples become the rows that a method works on: pooled, flattened, scaled.
struct InputPreparation {
  let layout: InputLayout
  private(set) var scaling: FeatureScaling?

  /// What samples that were checked teach about their scale.
  init(_ layout: InputLayout, scaling: InputScaling = .none, training: Tensor<Float>) {
    self.layout = layout
    self.scaling = nil
    self.scaling = FeatureScaling(scaling, rows(of: training))
  }

  /// The same for methods that take samples for mere numbers.
  init(scaling: InputScaling, training: Tensor<Float>) {
    self.init(InputLayout(flat: training.sampleShape), scaling: scaling, training: training)
  }

  /// The rows of samples [N × …] whose shape was checked.
  func rows(of inputs: Tensor<Float>) -> Tensor<Float> {
    var inputs = inputs
    if layout.pooling > 1 {
      let shape = layout.sampleShape
      let channels = shape.count == 3 ? shape[0] : 1
      let images = inputs.reshaped(to: Shape([inputs.shape[0], channels] + shape.suffix(2)))
      inputs = averagePool2d(images, size: PlaneExtent(layout.pooling))
    }
    return scaling?(inputs.asRows()) ?? inputs.asRows()
  }

  /// Adds what a file needs beside the configuration.
  func add(to state: inout DetectorState) {
    state.setSampleShape(layout.sampleShape)
    guard let scaling else { return }
    state.tensors["scaling.offset"] = scaling.offset
    state.tensors["scaling.factor"] = scaling.factor
  }

  /// What a file holds, for methods that take samples for mere numbers.
  init(_ state: DetectorState, scaling: InputScaling) throws(NoveltyError) {
    try self.init(state, InputLayout(flat: state.sampleShape()), scaling: scaling)
  }

  /// What a file holds.
  init(_ state: DetectorState, _ layout: InputLayout, scaling: InputScaling) throws(NoveltyError) {
    self.layout = layout
    guard scaling != .none else {
      self.scaling = nil
      return
    }
    self.scaling = FeatureScaling(
      offset: try state.tensor("scaling.offset", shape: [layout.width]),
      factor: try state.tensor("scaling.factor", shape: [layout.width])
    )
  }
}

/// (x − offset) · factor, feature by feature.
struct FeatureScaling {
  let offset: Tensor<Float>
  let factor: Tensor<Float>

  init(offset: Tensor<Float>, factor: Tensor<Float>) {
    self.offset = offset
    self.factor = factor
  }

  /// What a kind of scaling learns from rows [N × D]; nil for none.
  init?(_ kind: InputScaling, _ rows: Tensor<Float>) {
    let spread: Tensor<Float>
    switch kind {
    case .none: return nil
    case .unitRange:
      offset = rows.min(axes: 0)
      spread = rows.max(axes: 0) - offset
    case .standardized:
      offset = rows.mean(axes: 0)
      spread = rows.standardDeviation(axes: 0)
    }
    factor = Tensor(spread.elements.map { $0 > 0 ? 1 / $0 : 0 })
  }

  func callAsFunction(_ rows: Tensor<Float>) -> Tensor<Float> { (rows - offset) * factor }
}
