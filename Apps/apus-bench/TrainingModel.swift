import Autograd
import Tensor
import Transformer

/// The model of a training step: pre-LN with learned positions, GELU and an untied head, as
/// Tools/peers/torch_training.py has it in torch.
struct TrainingModel {
  let name: String
  let layers: Int
  let width: Int
  let heads: Int
  let vocabulary: Int
  let length = 256
  let batch = 8

  private var configuration: TransformerConfiguration {
    var shape = TransformerConfiguration(
      family: .apus,
      vocabularyCount: vocabulary,
      hiddenWidth: width,
      feedForwardWidth: 4 * width,
      blockCount: layers,
      headCount: heads,
      contextLength: length
    )
    shape.norm = .layer
    shape.positions = .learned(offset: 0)
    shape.feedForward = .plain(.geluTanh)
    return shape
  }

  /// A closure that trains a new model for one step on one batch of random tokens.
  func makeStep() throws -> () -> Void {
    var generator = Philox(seed: 0)
    let weights = InitialWeights(configuration, using: generator.fork(1))
    let model = try DecoderModel(configuration, weights: weights)
    let optimizer = AdamW([ParameterGroup(model.parameters())], learningRate: 3e-4)
    let (shape, limit) = (Shape([batch, length]), Int32(vocabulary))
    let ids = Tensor.integers(shape, in: 0..<limit, using: &generator)
    let targets = Tensor.integers(shape, in: 0..<limit, using: &generator)
    return {
      model.loss(ids, targets: targets).backward()
      optimizer.step()
      for parameter in model.parameters() { parameter.clearGradient() }
    }
  }
}
