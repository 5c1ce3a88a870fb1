import Autograd
package import Tensor

/// The networks of an orthogonal adversarial autoencoder in training, and one step of it.
///
///     1. z = E(x)
///     2. L_C = BCE(C(n), 1) + BCE(C(stop z), 0), n ~ N(0, I);  Adam on C
///     3. x̂ = D(z);  L = mean ‖x − x̂‖² + λ_adv · BCE(C(z), 1) + λ_OLE · OLE(ẑ, y);  Adam on E and D
///
/// Step 3 sees the updated C, whose parameters get no gradient from it. Everything is a function of
/// the configuration's seed and the data, for any number of threads.
///
/// - Shapes: x [N × D], n and z [N × d], a label for each row.
/// - Source: An et al. 2021, "OAAE: Adversarial Autoencoders for Novelty Detection in Multi-modal
///   Normality Case via Orthogonalized Latent Space".
/// - Choice: networks, weights and schedule, which the paper leaves open.
package final class OAAETraining {
  let configuration: OAAE.Configuration
  let networks: Autoencoder
  let discriminator: MLP?
  let optimizer: Adam
  let discriminatorOptimizer: Adam?
  private let embeddingWeight: Float
  private let parameters: [Parameter]
  private let discriminatorParameters: [Parameter]

  init(_ configuration: OAAE.Configuration, _ plan: Autoencoder.Plan) {
    self.configuration = configuration
    let source = Philox(seed: configuration.seed)
    var generator = source.fork(Stream.networks)
    networks = Autoencoder(plan, using: &generator)
    embeddingWeight = configuration.embeddingWeight(
      inputWidth: plan.extents.reduce(1, *)
    )
    let betas = (configuration.betas[0], configuration.betas[1])
    optimizer = Adam(networks, learningRate: configuration.learningRate, betas: betas)
    parameters = networks.parameters()
    guard configuration.adversarialWeight > 0 else {
      (discriminator, discriminatorOptimizer, discriminatorParameters) = (nil, nil, [])
      return
    }
    generator = source.fork(Stream.discriminator)
    let network = MLP(
      widths: [plan.latentWidth] + configuration.discriminatorWidths + [1],
      activation: .leakyReLU(slope: 0.2),
      using: &generator
    )
    discriminator = network
    discriminatorOptimizer = Adam(network, learningRate: configuration.learningRate, betas: betas)
    discriminatorParameters = network.parameters()
  }

  /// The training of samples of a shape, already pooled and scaled.
  package convenience init(
    _ configuration: OAAE.Configuration,
    sampleShape: [Int]
  ) throws(NoveltyError) {
    try configuration.check()
    self.init(configuration, configuration.plan(try configuration.layout(of: sampleShape)))
  }

  /// The streams of random numbers.
  enum Stream {
    static let networks = 0
    static let discriminator = 1
    static let noise = 2
    static let order = 3
    static let statistics = 4
  }

  /// What steps change.
  var parts: [TrainingPart] {
    var parts = [TrainingPart("model", networks), TrainingPart("optimizer", optimizer)]
    if let discriminator, let discriminatorOptimizer {
      parts.append(TrainingPart("discriminator", discriminator))
      parts.append(TrainingPart("discriminator-optimizer", discriminatorOptimizer))
    }
    return parts
  }

  var learningRate: Float {
    get { optimizer.learningRate }
    set {
      optimizer.learningRate = newValue
      discriminatorOptimizer?.learningRate = newValue
    }
  }

  /// One step; `noise` is n, of the latents' shape.
  package func step(
    _ x: Tensor<Float>,
    labels: [Int32]?,
    noise: @autoclosure () -> Tensor<Float>
  ) throws(NoveltyError) -> OAAELosses {
    var losses = OAAELosses()
    let count = Float(x.shape[0])
    let z = networks.encoder(Variable(x))  // [N × d]
    losses.discriminator = trainDiscriminator(z.value, noise: noise)
    let output = networks.decoder(z)  // [N × D]
    let squares = meanSquaredError(predictions: output, targets: Variable(x), reduction: .sum)
    var loss = squares * (1 / count)
    losses.reconstruction = Double(loss.item)
    if let discriminator {
      setDiscriminatorTraining(false)
      let ones = Tensor<Float>.ones([x.shape[0], 1])
      let term = binaryCrossEntropy(logits: discriminator(z), targets: ones)
      setDiscriminatorTraining(true)
      losses.adversarial = Double(term.item)
      loss += term * configuration.adversarialWeight
    }
    if let labels, embeddingWeight > 0 {
      let term = try configuration.embedding(z, labels: labels)
      losses.embedding = Double(term.item)
      loss += term * embeddingWeight
    }
    if configuration.consistencyWeight > 0 {
      let term = 1 - cosineSimilarity(z, networks.encoder(output)).mean()
      losses.consistency = Double(term.item)
      loss += term * configuration.consistencyWeight
    }
    loss.backward()
    optimizer.step()
    for parameter in parameters { parameter.clearGradient() }
    return losses
  }

  private func trainDiscriminator(
    _ latents: Tensor<Float>,
    noise: () -> Tensor<Float>
  ) -> Double? {
    guard let discriminator, let discriminatorOptimizer else { return nil }
    let count = latents.shape[0]
    let both = Tensor.concatenating([noise(), latents])  // [2N × d]
    let targets = Tensor<Float>.concatenating([.ones([count, 1]), .zeros([count, 1])])
    // The mean over both halves is half the sum of their means.
    let loss = binaryCrossEntropy(logits: discriminator(Variable(both)), targets: targets) * 2
    loss.backward()
    discriminatorOptimizer.step()
    for parameter in discriminatorParameters { parameter.clearGradient() }
    return Double(loss.item)
  }

  private func setDiscriminatorTraining(_ isTrainable: Bool) {
    for parameter in discriminatorParameters { parameter.isTrainable = isTrainable }
  }
}
