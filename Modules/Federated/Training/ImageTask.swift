import Autograd
import Checkpoints
public import Tensor

/// Classification of small grey images, such as MNIST's: the ready task for simulations.
///
///     let task = try ImageTask(folder: "mnist", ImageTask.Configuration())
///
/// Pixels stay bytes and are normalized batch by batch.
public struct ImageTask: FederatedTask {
  /// Data and network.
  public struct Configuration: Codable, Hashable, Sendable {
    /// The network.
    public var network = ImageNetwork.perceptron(hidden: [128, 64])
    /// The number of classes.
    public var classCount = 10
    /// So many of the first training images are used; nil uses all.
    public var trainingLimit: Int?
    /// So many of the first test images are used; nil uses all.
    public var testLimit: Int?
    /// What pixels in [0, 1] are reduced by, MNIST's mean by default.
    public var mean: Float = 0.1307
    /// What they are divided by afterwards, MNIST's deviation by default.
    public var deviation: Float = 0.3081

    /// The multilayer perceptron 784-128-64-10 on all images.
    public init() {}
  }

  /// The name, for reports.
  public let name: String
  /// Data and network.
  public let configuration: Configuration
  /// The global model.
  public let model: ModelDescription
  /// The class of each training image.
  public let labels: [Int32]
  let images: ImageSets

  /// The task of images that are in memory.
  ///
  /// - Parameters:
  ///   - name: for reports.
  ///   - training: pixels [N × H × W] and the classes [N].
  ///   - test: the same.
  ///   - configuration: data and network.
  /// - Throws: `FederatedTaskError.settings` where the numbers do not fit.
  public init(
    name: String,
    training: (pixels: Tensor<UInt8>, labels: [Int32]),
    test: (pixels: Tensor<UInt8>, labels: [Int32]),
    _ configuration: Configuration = Configuration()
  ) throws(FederatedTaskError) {
    self.name = name
    self.configuration = configuration
    let training = try ImageSets.Part(training, limit: configuration.trainingLimit, configuration)
    let test = try ImageSets.Part(test, limit: configuration.testLimit, configuration)
    let plane = training.pixels.shape
    guard test.pixels.shape[1] == plane[1], test.pixels.shape[2] == plane[2] else {
      throw .settings("images \(plane) for training and \(test.pixels.shape) for tests")
    }
    images = ImageSets(
      training: training,
      test: test,
      scale: 1 / (255 * configuration.deviation),
      shift: -configuration.mean / configuration.deviation
    )
    labels = training.labels
    model = try configuration.network.description(
      height: plane[1],
      width: plane[2],
      classCount: configuration.classCount
    )
  }

  /// The task of a folder with MNIST's four files, compressed or not.
  ///
  /// - Throws: `FederatedTaskError.data` where a file is missing or damaged.
  public init(
    name: String = "mnist",
    folder: String,
    _ configuration: Configuration = Configuration()
  ) throws(FederatedTaskError) {
    try self.init(
      name: name,
      training: ImageSets.read(.training, in: folder, limit: configuration.trainingLimit),
      test: ImageSets.read(.test, in: folder, limit: configuration.testLimit),
      configuration
    )
  }

  /// The number of training images.
  public var trainingCount: Int { labels.count }
  /// The number of test images.
  public var testCount: Int { images.test.labels.count }
  /// The number of classes.
  public var classCount: Int { configuration.classCount }

  /// Weights and biases from U(±1/√inputs), norms of scale 1 and shift 0.
  public func initialParameters(seed: UInt64) -> ParameterSet {
    var generator = Philox(seed: seed)
    let plane = images.training.pixels.shape
    let module = configuration.network.module(
      height: plane[1],
      width: plane[2],
      classCount: classCount,
      using: &generator
    )
    return ParameterSet(of: module)
  }

  /// A perceptron or a convolutional network of the widths that the shapes say.
  ///
  /// - Throws: `FederatedTaskError.shapes` where they make none.
  public func makeNetwork(
    shapes: [String: Shape]
  ) throws(FederatedTaskError) -> any FederatedNetwork {
    let body = try configuration.network.module(shapes: shapes)
    return ImageClassifier(body: body, images: images, isFlat: configuration.network.isFlat)
  }
}

/// Images of both parts, and how bytes become numbers.
struct ImageSets: Sendable {
  struct Part: Sendable {
    let pixels: Tensor<UInt8>
    let labels: [Int32]

    init(
      _ content: (pixels: Tensor<UInt8>, labels: [Int32]),
      limit: Int?,
      _ configuration: ImageTask.Configuration
    ) throws(FederatedTaskError) {
      let shape = content.pixels.shape
      guard shape.rank == 3, shape[0] == content.labels.count, shape[1] > 0, shape[2] > 0 else {
        throw .settings("\(shape) pixels with \(content.labels.count) labels are no images")
      }
      let limit = limit ?? shape[0]
      guard (1...shape[0]).contains(limit) else {
        throw .settings("\(limit) images are wanted, there are \(shape[0])")
      }
      labels = Array(content.labels.prefix(limit))
      guard labels.allSatisfy({ (0..<Int32(configuration.classCount)).contains($0) }) else {
        throw .settings("labels outside 0 ..< \(configuration.classCount)")
      }
      pixels = content.pixels[0..<limit]
    }
  }

  let training: Part
  let test: Part
  /// x · scale + shift normalizes a byte.
  let scale: Float
  let shift: Float

  func part(_ part: ExamplePart) -> Part { part == .training ? training : test }

  /// The normalized pixels of some images, [n × (H·W)].
  func inputs(_ examples: [Int32], of part: ExamplePart) -> Tensor<Float> {
    let part = self.part(part)
    let size = part.pixels.shape[1] * part.pixels.shape[2]
    return part.pixels.withUnsafeElements { source in
      Tensor(uninitialized: [examples.count, size]) { target in
        for (row, example) in examples.enumerated() {
          let (from, to) = (Int(example) * size, row * size)
          for index in 0..<size { target[to + index] = Float(source[from + index]) * scale + shift }
        }
      }
    }
  }

  func targets(_ examples: [Int32], of part: ExamplePart) -> Tensor<Int32> {
    let labels = self.part(part).labels
    return Tensor(examples.map { labels[Int($0)] })
  }

  static func read(
    _ part: IDXImages.Part,
    in folder: String,
    limit: Int?
  ) throws(FederatedTaskError) -> (pixels: Tensor<UInt8>, labels: [Int32]) {
    // Impossible limits are told when it is known how many there are.
    let limit = limit.flatMap { $0 > 0 ? $0 : nil }
    do throws(CheckpointError) {
      let images = try IDXImages(part, in: folder, first: limit)
      return (images.pixels, images.labels.elements.map { Int32($0) })
    } catch {
      guard case .unreadable(let path, .missing) = error else {
        throw .data(path: folder, reason: "\(error)")
      }
      throw .data(path: path, reason: "neither it nor its .gz is there; fetch MNIST's four files")
    }
  }
}

/// A network over normalized images.
private final class ImageClassifier: FederatedNetwork {
  let body: any ScaledLayer
  private let images: ImageSets
  private let isFlat: Bool

  init(body: any ScaledLayer, images: ImageSets, isFlat: Bool) {
    (self.body, self.images, self.isFlat) = (body, images, isFlat)
  }

  func visitParameters(_ visitor: ModuleVisitor) { body.visitParameters(visitor) }

  func callAsFunction(
    _ examples: [Int32],
    of part: ExamplePart,
    scale: Float
  ) -> NetworkOutput {
    var inputs = images.inputs(examples, of: part)
    if !isFlat {
      let plane = images.part(part).pixels.shape
      inputs = inputs.reshaped(to: [examples.count, 1, plane[1], plane[2]])
    }
    return NetworkOutput(
      logits: body(Variable(inputs), scale: scale),
      targets: images.targets(examples, of: part)
    )
  }
}
