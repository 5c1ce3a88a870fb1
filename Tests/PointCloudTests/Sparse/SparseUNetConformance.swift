import Autograd
import Checkpoints
import PointCloud
import Tensor
import TestSupport
import Testing

extension PointCloudConformance {
  /// The residual U-Net in training mode with the gradients of all its parameters.
  @Suite struct SparseUNets {
    static let cases = SparseFixture.all("unet_")

    @Test func filesHoldCases() { #expect(!Self.cases.isEmpty) }

    @Test(arguments: cases) func network(item: SparseFixture) throws {
      let file = try item.open()
      let model = try ReferenceUNet(file)
      let sites = try SparseSites(coordinates: file.ids("coords"))
      let features = try file.leaf("features")
      let logits = model.network(SparseTensor(sites: sites, features: features))
      expectNear(logits.value, try file.floats("logits"), "logits")
      let labels = try file.ids("labels")
      let loss = crossEntropy(logits: logits, targets: labels) + lovasz(logits, labels.elements)
      expectClose(loss.item, try file.floats("loss").item)
      loss.backward()
      try expectGradient(features.gradient, file.floats("grad_features"), "features")
      for (name, parameter, isTransposed) in model.parameters {
        let gradient = isTransposed ? parameter.gradient?.transposed() : parameter.gradient
        try expectGradient(gradient, file.floats("grad." + name), name)
      }
    }

    private func expectClose(_ found: Float, _ expected: Float) {
      #expect(abs(found - expected) < 1e-5 * max(abs(expected), 1), "loss \(found), \(expected)")
    }

    /// Batch norm divides by small deviations: 1e-3 of the largest element.
    private func expectGradient(
      _ found: Tensor<Float>?,
      _ expected: Tensor<Float>,
      _ name: String
    ) throws {
      let found = try #require(found, "no gradient of \(name)")
      let scale = max(expected.abs().max(), 1e-3)
      TestSupport.expectClose(found, expected, absolute: 1e-3 * scale, "gradient of \(name)")
    }
  }
}

/// The network of a reference file, with the file's names of its parameters.
private struct ReferenceUNet {
  let network: SparseUNet
  private(set) var parameters: [(name: String, parameter: Parameter, isTransposed: Bool)] = []

  init(_ file: SafetensorsFile) throws {
    func shape(_ name: String) throws -> Shape { try file.floats("param." + name).shape }
    let levels = (1...9).filter { file.names.contains("param.down\($0)") }
    let configuration = SparseUNetConfiguration(
      inputWidth: try shape("stem")[1],
      classCount: try shape("head.bias")[0],
      stemWidths: [try shape("stem")[2]],
      encoderWidths: try levels.map { try shape("enc\($0).conv2")[2] },
      decoderWidths: try levels.reversed().map { try shape("dec\($0).conv2")[2] },
      downWidths: try levels.map { try shape("down\($0)")[2] }
    )
    var generator = Philox(seed: 1)
    network = SparseUNet(configuration, using: &generator)
    add("stem", network.stem[0].convolution.weight)
    add("stembn", network.stem[0].norm)
    for (level, encoder) in zip(levels, network.encoder) {
      add("down\(level)", encoder.down.weight)
      add("down\(level)bn", encoder.downNorm)
      add("enc\(level)", encoder.blocks[0])
    }
    for (level, decoder) in zip(levels.reversed(), network.decoder) {
      add("up\(level)", decoder.up.weight)
      add("up\(level)bn", decoder.upNorm)
      add("dec\(level)", decoder.blocks[0])
    }
    add("head.weight", network.head.weight, isTransposed: true)
    add("head.bias", network.head.bias)
    for (name, parameter, isTransposed) in parameters {
      let value = try file.floats("param." + name)
      parameter.value = isTransposed ? value.transposed() : value
    }
    let stored = file.names.filter { $0.hasPrefix("param.") }.map { String($0.dropFirst(6)) }
    #expect(Set(stored) == Set(parameters.map(\.name)))
    #expect(network.parameters().count == parameters.count)
  }

  private mutating func add(_ name: String, _ parameter: Parameter?, isTransposed: Bool = false) {
    if let parameter { parameters.append((name, parameter, isTransposed)) }
  }

  private mutating func add(_ name: String, _ norm: BatchNorm?) {
    add(name + ".weight", norm?.weight)
    add(name + ".bias", norm?.bias)
  }

  private mutating func add(_ name: String, _ block: SparseResidualBlock) {
    add(name + ".conv1", block.convolution1.weight)
    add(name + ".bn1", block.norm1)
    add(name + ".conv2", block.convolution2.weight)
    add(name + ".bn2", block.norm2)
    add(name + ".skip", block.projection?.weight, isTransposed: true)
    add(name + ".skipbn", block.projectionNorm)
  }
}

/// Lovasz-Softmax over the classes that are present: for the errors in descending order, each times
/// the step that it adds to the Jaccard loss.
private func lovasz(_ logits: Variable, _ labels: [Int32]) -> Variable {
  let (rows, classes) = (logits.shape[0], logits.shape[1])
  let present = Set(labels).sorted()
  let probabilities = logits.softmax().value.elements
  var factors = [Float](repeating: 0, count: rows * classes)
  var constant: Float = 0
  for label in present {
    let errors = (0..<rows).map { row -> Float in
      let p = probabilities[row * classes + Int(label)]
      return labels[row] == label ? 1 - p : p
    }
    let total = Float(labels.filter { $0 == label }.count)
    var (hits, misses, before) = (Float(0), Float(0), Float(0))
    for row in (0..<rows).sorted(by: { errors[$0] > errors[$1] }) {
      if labels[row] == label { hits += 1 } else { misses += 1 }
      let jaccard = 1 - (total - hits) / (total + misses)
      let step = (jaccard - before) / Float(present.count)
      before = jaccard
      factors[row * classes + Int(label)] = labels[row] == label ? -step : step
      if labels[row] == label { constant += step }
    }
  }
  let weights = Variable(Tensor(factors, shape: logits.shape))
  return (logits.softmax() * weights).sum() + constant
}
