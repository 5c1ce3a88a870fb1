import Autograd
package import Tensor

/// The networks of an orthogonal adversarial autoencoder in training, and one step of it.
///
///     1. z = E(x)
///     2. L_C = BCE(C(n), 1) + BCE(C(stop z), 0), n ~ N(0, I);  Adam on C
///     3. x̂ = D(z);  L = mean ‖x − x̂‖² + λ_adv · BCE(C(z), 1) + λ_OLE · OLE(ẑ, y);  Adam on E and D
///
/// With a discriminator V of images (off unless it has a weight) x̂ comes before a step of Adam on V
/// with BCE(V(x), 1) + BCE(V(stop x̂), 0), and λ_V · BCE(V(x̂), 1) is part of L.
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
  let optimizer: Adam
  private let latentCritic: Critic?
  private let imageCritic: Critic?
  private let embeddingWeight: Float
  private let parameters: [Parameter]

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
    func critic(_ widths: [Int], _ stream: Int) -> Critic {
      generator = source.fork(stream)
      return Critic(
        widths: widths,
        learningRate: configuration.learningRate,
        betas: betas,
        using: &generator
      )
    }
    latentCritic =
      configuration.adversarialWeight > 0
      ? critic([plan.latentWidth] + configuration.discriminatorWidths, Stream.discriminator) : nil
    let width = plan.extents.reduce(1, *)
    imageCritic =
      configuration.imageAdversarialWeight ?? 0 > 0
      ? critic([width] + OAAE.Configuration.imageDiscriminatorWidths, Stream.imageDiscriminator)
      : nil
  }

  /// C, if there is one.
  var discriminator: MLP? { latentCritic?.network }

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
    static let imageDiscriminator = 5
  }

  /// What steps change.
  var parts: [TrainingPart] {
    var parts = [TrainingPart("model", networks), TrainingPart("optimizer", optimizer)]
    for (name, critic) in [("discriminator", latentCritic), ("image-discriminator", imageCritic)] {
      guard let critic else { continue }
      parts.append(TrainingPart(name, critic.network))
      parts.append(TrainingPart(name + "-optimizer", critic.optimizer))
    }
    return parts
  }

  var learningRate: Float {
    get { optimizer.learningRate }
    set {
      optimizer.learningRate = newValue
      latentCritic?.optimizer.learningRate = newValue
      imageCritic?.optimizer.learningRate = newValue
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
    losses.discriminator = latentCritic?.train(real: noise(), made: z.value)
    let output = networks.decoder(z)  // [N × D]
    losses.imageDiscriminator = imageCritic?.train(real: x, made: output.value)
    let squares = meanSquaredError(predictions: output, targets: Variable(x), reduction: .sum)
    var loss = squares * (1 / count)
    losses.reconstruction = Double(loss.item)
    if let latentCritic {
      let term = latentCritic.loss(of: z)
      losses.adversarial = Double(term.item)
      loss += term * configuration.adversarialWeight
    }
    if let imageCritic, let weight = configuration.imageAdversarialWeight {
      let term = imageCritic.loss(of: output)
      losses.imageAdversarial = Double(term.item)
      loss += term * weight
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
}
