import Autograd
import Tensor

/// A discriminator and its optimizer: an adversary of an autoencoder.
final class Critic {
  let network: MLP
  let optimizer: Adam
  private let parameters: [Parameter]

  /// Linear layers with LeakyReLU(0.2) between them, from rows to one logit.
  init(
    widths: [Int],
    learningRate: Float,
    betas: (Double, Double),
    using generator: inout Philox
  ) {
    network = MLP(
      widths: widths + [1],
      activation: .leakyReLU(slope: 0.2),
      using: &generator
    )
    optimizer = Adam(network, learningRate: learningRate, betas: betas)
    parameters = network.parameters()
  }

  /// One step: BCE(C(real), 1) + BCE(C(made), 0); gives the loss.
  func train(real: Tensor<Float>, made: Tensor<Float>) -> Double {
    let count = made.shape[0]
    let both = Tensor.concatenating([real, made])  // [2N × width]
    let targets = Tensor<Float>.concatenating([.ones([count, 1]), .zeros([count, 1])])
    // The mean over both halves is half the sum of their means.
    let loss = binaryCrossEntropy(logits: network(Variable(both)), targets: targets) * 2
    loss.backward()
    optimizer.step()
    for parameter in parameters { parameter.clearGradient() }
    return Double(loss.item)
  }

  /// BCE(C(made), 1), which gives the critic no gradients.
  func loss(of made: Variable) -> Variable {
    for parameter in parameters { parameter.isTrainable = false }
    defer { for parameter in parameters { parameter.isTrainable = true } }
    return binaryCrossEntropy(logits: network(made), targets: .ones([made.shape[0], 1]))
  }
}
