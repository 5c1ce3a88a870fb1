import Autograd
import Tensor
import Transformer

var shape = TransformerConfiguration(
  vocabularyCount: 512, hiddenWidth: 64, feedForwardWidth: 96, blockCount: 2, headCount: 4,
  contextLength: 128)
shape.placement = .peri
let model = try DecoderModel(shape, weights: InitialWeights(shape, using: Philox(seed: 1)))
let tokens = Tensor<Int32>([[1, 2, 3, 4], [5, 6, 7, 8]])
let loss = model.loss(tokens[.all, ..<3], targets: tokens[.all, 1...])
loss.backward()
print(loss.item, Array(model.generate(after: [1, 2], options: GenerationOptions(maximumTokens: 4))))
